complete --keep-order --exclusive --command ftr-rules --arguments "(FTR_COMPLETE=fish ftr-rules -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
