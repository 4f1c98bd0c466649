# SPDX-License-Identifier: ISC
# Fish completion for cmd.
complete -c cmd -f
complete -c cmd -s d -x -a '(__fish_complete_directories)' -d 'make each program in DIR a command, too'
complete -c cmd -s i -x -d 'end a session that sends no complete line for this time'
complete -c cmd -s l -x -d 'the maximum length of a line'
complete -c cmd -s n -d 'end a line at the end of each read'
complete -c cmd -s t -x -d 'how long a program may run'
complete -c cmd -s V -d 'print the version'
complete -c cmd -s h -d 'print the help'
