complete -c ftr-rules -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-rules -l table -d 'Print only this table (may be given several times)' -r -f -a "mangle\t'Marks: which uplink a connection belongs to'
nat\t'Address translation'
filter\t'What may pass'"
complete -c ftr-rules -l backend -d 'The program that shall load the rules' -r -f -a "iptables\t'iptables-restore or ip6tables-restore: one family'
nft\t'nft -f: both families at once'"
complete -c ftr-rules -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-rules -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-rules -s v -l verbose -d 'Say more'
complete -c ftr-rules -l diff -d 'Compare with the rules that are loaded, and print what differs'
complete -c ftr-rules -s 4 -d 'Rules for IPv4 (iptables: the default)'
complete -c ftr-rules -s 6 -d 'Rules for IPv6 (nft: both, where neither is asked for alone)'
complete -c ftr-rules -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-rules -s V -l version -d 'Print version'
