complete --keep-order --exclusive --command ftr-monitor --arguments "(FTR_COMPLETE=fish ftr-monitor -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
