complete --keep-order --exclusive --command ftr-notify --arguments "(FTR_COMPLETE=fish ftr-notify -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
