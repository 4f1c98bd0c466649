# Draws the processor time of superd for a connection: gnuplot -e "data='FILE'" growth.gnuplot >growth.svg
# FILE is the CHART-DATA that `report` writes; growth's are beside it, FILE.KIND.
set terminal svg size 860,420 font "sans-serif,13" background rgb "white"
set title "Processor time of the server itself for a connection, microseconds (less is better)"
set logscale xy
set yrange [10:2000]
set xrange [1:100000]
set grid linecolor rgb "#dddddd"
set border 3
set tics nomirror
set format x "%.0f"
set xlabel "services, prefixes in access lists, running programs"
set key outside top center horizontal
plot data.".services" with linespoints linecolor rgb "#084594" title "superd: services", \
	data.".prefixes" with linespoints linecolor rgb "#4292c6" title "prefixes", \
	data.".children" with linespoints linecolor rgb "#9ecae1" title "running programs", \
	data.".xinetd" with linespoints linecolor rgb "#d94801" title "xinetd: services"
