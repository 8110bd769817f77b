# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ftr_monitor_global_optspecs
    string join \n c/config= j/json q/quiet v/verbose h/help V/version
end

function __fish_ftr_monitor_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ftr_monitor_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ftr_monitor_using_subcommand
    set -l cmd (__fish_ftr_monitor_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -s h -l help -d 'Print help'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -s V -l version -d 'Print version'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "run" -d 'The daemon: probe, decide, route and notify, in the foreground; -j prints its records'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "once" -d 'One cycle with remembered state, for cron and timers'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "decide" -d 'Filter: check records in, active and event records out'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "init" -d 'Print an example configuration, or write it to a new file'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "check" -d 'Check the configuration; -v or -j print the effective one'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "status" -d 'Show the uplinks of the running monitor'
complete -c ftr-monitor -n "__fish_ftr_monitor_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -l demo -d 'Make up uplinks that come and go, and show what would be done; needs no root'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -l dry-run -d 'Probe and decide, but write nothing to the kernel and send no mail'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -l debug -d 'Log every check'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand once" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand once" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand once" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand once" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand once" -s h -l help -d 'Print help'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand decide" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand decide" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand decide" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand decide" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand decide" -s h -l help -d 'Print help'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand init" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand init" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand init" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand init" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand init" -s h -l help -d 'Print help'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand check" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand check" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand check" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand check" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand check" -s h -l help -d 'Print help'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand status" -s c -l config -d 'Configuration file [default: $FTR_CONFIG, /etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf]' -r -F
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand status" -s j -l json -d 'Print JSON, one object a line'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand status" -s q -l quiet -d 'Print no answer and no remarks, only errors'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand status" -s v -l verbose -d 'Say more'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand status" -s h -l help -d 'Print help'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "run" -d 'The daemon: probe, decide, route and notify, in the foreground; -j prints its records'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "once" -d 'One cycle with remembered state, for cron and timers'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "decide" -d 'Filter: check records in, active and event records out'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "init" -d 'Print an example configuration, or write it to a new file'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "check" -d 'Check the configuration; -v or -j print the effective one'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "status" -d 'Show the uplinks of the running monitor'
complete -c ftr-monitor -n "__fish_ftr_monitor_using_subcommand help; and not __fish_seen_subcommand_from run once decide init check status help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
