complete -c ftr-notify -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-notify -s s -l subject -d 'Subject of the mail' -r
complete -c ftr-notify -s t -l to -d 'Recipient, instead of the configured ones (may be given several times)' -r
complete -c ftr-notify -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-notify -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-notify -s v -l verbose -d 'Say more'
complete -c ftr-notify -l test -d 'Send a mail that says that mail works'
complete -c ftr-notify -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-notify -s V -l version -d 'Print version'
