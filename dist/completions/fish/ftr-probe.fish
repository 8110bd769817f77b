complete -c ftr-probe -s t -l target -d 'Host to ask, instead of tests.ips; may be given more than once (forms below)' -r
complete -c ftr-probe -s r -l required -d 'How many targets have to answer [default: as configured; all targets without a configuration]' -r
complete -c ftr-probe -l retries -d 'How often each target is asked before the check is in doubt [default: as configured; 1]' -r
complete -c ftr-probe -s W -l timeout -d 'How long to wait for an answer at most, such as 2s or 450ms [default: as configured; 2s]' -r
complete -c ftr-probe -s i -l interval -d 'From the start of one check to that of the next, with --watch [default: as configured; 60s]' -r
complete -c ftr-probe -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-probe -s w -l watch -d 'Check again and again, and print every result'
complete -c ftr-probe -s 4 -l ipv4 -d 'Ask over IPv4 only'
complete -c ftr-probe -s 6 -l ipv6 -d 'Ask over IPv6 only'
complete -c ftr-probe -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-probe -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-probe -s v -l verbose -d 'Say more'
complete -c ftr-probe -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-probe -s V -l version -d 'Print version'
