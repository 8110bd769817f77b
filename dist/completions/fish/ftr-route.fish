# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ftr_route_global_optspecs
    string join \n c/config= j/json q/quiet v/verbose 4 6 h/help V/version
end

function __fish_ftr_route_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ftr_route_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ftr_route_using_subcommand
    set -l cmd (__fish_ftr_route_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ftr-route -n "__fish_ftr_route_needs_command" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -s V -l version -d 'Print version'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "prepare" -d 'Put rules, uplink tables and sysctls in place; new connections go on as they do'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "apply" -d 'Prepare, and let uplinks carry new connections'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "show" -d 'Show what the kernel has'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "check" -d 'Compare the kernel with what is wanted: 0 as wanted, 1 differs, or an uplink has no way out'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "explain" -d 'Tell which uplink carries a flow, and why: 0 there is a way and it is as intended, 1 not so'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "clear" -d 'Take away all that was put into the kernel, and nothing else'
complete -c ftr-route -n "__fish_ftr_route_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s n -l dry-run -d 'Print the commands that would do it, change nothing'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand prepare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -l failed -d 'An uplink that does not work (may be given several times)' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s n -l dry-run -d 'Print the commands that would do it, change nothing'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand show" -s h -l help -d 'Print help'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l from -d 'Where it comes from: a host, or an address of this one [default: this host, which chooses its source]' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l to -d 'Where it goes to' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l proto -d 'Its protocol: tcp, udp or icmp' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l sport -d 'The port that it comes from' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l dport -d 'The port that it goes to' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l mark -d 'The mark of its packets, such as 2 or 0x200 [default: that of its connection or policy]' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l iif -d 'The device that it comes in by [default: the one by which its sender is reached]' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -l assume -d 'Answer for when this uplink does not work, and every other one does that has a way out (may be given several times)' -r
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s n -l dry-run -d 'Print the commands that would do it, change nothing'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -l legacy -d 'Also take away what Fault Tolerant Router (the Ruby daemon) has left behind, by its numbering'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s v -l verbose -d 'Say more'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s 4 -d 'IPv4 alone [default: every family that the configuration has]'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s 6 -d 'IPv6 alone'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand clear" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "prepare" -d 'Put rules, uplink tables and sysctls in place; new connections go on as they do'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "apply" -d 'Prepare, and let uplinks carry new connections'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "show" -d 'Show what the kernel has'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "check" -d 'Compare the kernel with what is wanted: 0 as wanted, 1 differs, or an uplink has no way out'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "explain" -d 'Tell which uplink carries a flow, and why: 0 there is a way and it is as intended, 1 not so'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "clear" -d 'Take away all that was put into the kernel, and nothing else'
complete -c ftr-route -n "__fish_ftr_route_using_subcommand help; and not __fish_seen_subcommand_from prepare apply show check explain clear help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
