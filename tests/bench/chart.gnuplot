# Draws the connections per second of each server: gnuplot -e "data='FILE'" chart.gnuplot >chart.svg
# FILE is the CHART-DATA that `report` writes.
set terminal svg size 860,420 font "sans-serif,13" background rgb "white"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set title "Connections per second, one program started for each (more is better)"
set yrange [0:*]
set grid ytics linecolor rgb "#dddddd"
set border 1
set tics scale 0 nomirror
set xtics rotate by -20
set format y "%.0f"
set key outside top center horizontal
plot data using 2:xtic(1) title "1 client" linecolor rgb "#9ecae1", \
	'' using 3 title "16 clients" linecolor rgb "#4292c6", \
	'' using 4 title "128 clients" linecolor rgb "#084594"
