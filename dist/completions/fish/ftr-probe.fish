complete --keep-order --exclusive --command ftr-probe --arguments "(FTR_COMPLETE=fish ftr-probe -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
