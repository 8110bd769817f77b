complete --keep-order --exclusive --command ftr-route --arguments "(FTR_COMPLETE=fish ftr-route -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
