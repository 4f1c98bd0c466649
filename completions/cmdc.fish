# SPDX-License-Identifier: ISC
# Fish completion for cmdc. It asks the server that is named on the command line for the names of its commands.

function __cmdc_names
    argparse -i h= p= t= -- (commandline -opc)[2..] 2>/dev/null
    or return
    test (count $argv) -eq 0
    or return
    set -l server
    set -q _flag_h
    and set -a server -h $_flag_h
    set -q _flag_p
    and set -a server -p $_flag_p
    cmdc $server -t 2 help 2>/dev/null | string match -r '^[A-Za-z0-9_][A-Za-z0-9_.-]*'
end

complete -c cmdc -f -a '(__cmdc_names)'
complete -c cmdc -s h -r -a '(__fish_print_hostnames)' -d 'the server: a name, an address, or the path of a socket'
complete -c cmdc -s p -x -d 'the port: a number or the name of a service'
complete -c cmdc -s t -x -d 'how long to wait'
complete -c cmdc -s V -d 'print the version'
