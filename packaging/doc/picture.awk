# The picture of accuracy against length, from accuracy.tsv: an SVG that reads on light and dark ground.
#   awk -f picture.awk accuracy.tsv >accuracy.svg
BEGIN {
    FS = "\t"
    lengths = methods = 0
    left = 60; top = 20; width = 520; height = 240
    colour["none"] = "#d1495b"; colour["longmamba"] = "#2a7fba"; colour["decimamba"] = "#c98a00"
    label["none"] = "plain"; label["longmamba"] = "LongMamba"; label["decimamba"] = "DeciMamba"
}
/^#/ || NF < 4 { next }
{
    if (!($1 in column)) { column[$1] = lengths; length_at[lengths++] = $1 }
    if (!($2 in points)) order[methods++] = $2
    x = column[$1]
    y[$2, x] = $3 / $4
    points[$2] = points[$2] " " x
}
function px(i) { return left + (lengths > 1 ? width * i / (lengths - 1) : 0) }
function py(share) { return top + height * (1 - share) }
END {
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n", left + width + 120, top + height + 60
    print "<title>Passkeys found, by length of the prompt</title>"
    print "<style>text{fill:#57606a}.grid{stroke:#8b949e;stroke-opacity:.35}@media(prefers-color-scheme:dark){text{fill:#c9d1d9}}</style>"
    for (i = 0; i <= 4; ++i) {
        printf "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n", left, left + width, py(i / 4), py(i / 4)
        printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n", left - 8, py(i / 4) + 4, 25 * i
    }
    for (i = 0; i < lengths; ++i)
        printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%dK</text>\n", px(i), top + height + 22, length_at[i] / 1024
    printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">tokens of the prompt (trained on 2K)</text>\n", left + width / 2, top + height + 46
    for (m = 0; m < methods; ++m) {
        method = order[m]
        count = split(points[method], at, " ")
        path = ""
        for (i = 1; i <= count; ++i) path = path sprintf("%s%.1f,%.1f", i == 1 ? "" : " ", px(at[i]), py(y[method, at[i]]))
        printf "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2.5\" points=\"%s\"/>\n", colour[method], path
        for (i = 1; i <= count; ++i)
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", px(at[i]), py(y[method, at[i]]), colour[method]
        printf "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n", px(at[count]) + 10, py(y[method, at[count]]) + 4, colour[method], label[method]
    }
    print "</svg>"
}
