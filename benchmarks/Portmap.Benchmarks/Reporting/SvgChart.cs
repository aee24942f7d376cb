using System.Globalization;
using System.Net;
using System.Text;

namespace Portmap.Benchmarks.Reporting;

/// <summary>Lines over named places on the x axis, as an SVG that reads on light and on dark pages:
/// it has no background and two sets of colours.</summary>
/// <param name="title">What is shown.</param>
/// <param name="xTitle">What the places are.</param>
/// <param name="places">The places, evenly spaced.</param>
/// <param name="format">How values are written at the y axis.</param>
/// <param name="isLog">Powers of ten on the y axis, instead of evenly spaced values from 0.</param>
internal sealed class SvgChart(string title, string xTitle, string[] places, Func<double, string> format, bool isLog)
{
    private const int Width = 760, Height = 380, Left = 76, Right = 190, Top = 48, Bottom = 56;

    private const string Style = """
        <style>
          text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
          .title { font-size: 15px; font-weight: 600 }
          .grid { stroke: #d0d7de; stroke-width: 1 }
          .line { fill: none; stroke-width: 2 } .ours { stroke-width: 3.5 }
          .s0 { stroke: #0969da } .f0 { fill: #0969da } .s1 { stroke: #bc4c00 } .f1 { fill: #bc4c00 } .s2 { stroke: #6e7781 } .f2 { fill: #6e7781 }
          .s3 { stroke: #8250df } .f3 { fill: #8250df } .s4 { stroke: #1a7f37 } .f4 { fill: #1a7f37 }
          @media (prefers-color-scheme: dark) {
            text { fill: #e6edf3 } .grid { stroke: #3d444d }
            .s0 { stroke: #58a6ff } .f0 { fill: #58a6ff } .s1 { stroke: #f0883e } .f1 { fill: #f0883e } .s2 { stroke: #9198a1 } .f2 { fill: #9198a1 }
            .s3 { stroke: #bc8cff } .f3 { fill: #bc8cff } .s4 { stroke: #3fb950 } .f4 { fill: #3fb950 }
          }
        </style>
        """;

    private readonly List<(string Name, double[] Values)> _lines = [];

    /// <summary>Adds a line; the first one is ours and stands out.</summary>
    public SvgChart Line(string name, IEnumerable<double> values)
    {
        _lines.Add((name, [.. values]));
        return this;
    }

    public override string ToString()
    {
        StringBuilder svg = new();
        svg.AppendLine(Text($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" viewBox=\"0 0 {Width} {Height}\" role=\"img\">"));
        svg.AppendLine(Text($"<title>{Escape(title)}</title>")).AppendLine(Style);
        svg.AppendLine(Text($"<text class=\"title\" x=\"16\" y=\"24\">{Escape(title)}</text>"));
        double[] ticks = Ticks();
        foreach (double tick in ticks)
        {
            double y = Y(tick, ticks);
            svg.AppendLine(Text($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:0.#}\" y2=\"{y:0.#}\"/>"));
            svg.AppendLine(Text($"<text x=\"{Left - 8}\" y=\"{y + 4:0.#}\" text-anchor=\"end\">{Escape(format(tick))}</text>"));
        }

        for (int i = 0; i < places.Length; i++)
        {
            svg.AppendLine(Text($"<text x=\"{X(i):0.#}\" y=\"{Height - Bottom + 20}\" text-anchor=\"middle\">{Escape(places[i])}</text>"));
        }

        svg.AppendLine(Text($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 14}\" text-anchor=\"middle\">{Escape(xTitle)}</text>"));
        double[] labels = LabelPlaces(ticks);
        for (int line = _lines.Count - 1; line >= 0; line--)
        {
            (string name, double[] values) = _lines[line];
            string points = string.Join(' ', values.Select((value, i) => Text($"{X(i):0.#},{Y(value, ticks):0.#}")));
            svg.AppendLine(Text($"<polyline class=\"line s{line}{(line == 0 ? " ours" : string.Empty)}\" points=\"{points}\"/>"));
            for (int i = 0; i < values.Length; i++)
            {
                svg.AppendLine(Text($"<circle class=\"f{line}\" cx=\"{X(i):0.#}\" cy=\"{Y(values[i], ticks):0.#}\" r=\"{(line == 0 ? 4.5 : 3.5):0.#}\"/>"));
            }

            svg.AppendLine(Text($"<text class=\"f{line}\" x=\"{X(values.Length - 1) + 12:0.#}\" y=\"{labels[line] + 4:0.#}\">{Escape(name)}</text>"));
        }

        return svg.AppendLine("</svg>").ToString();
    }

    /// <summary>Names stand at the end of their lines, pushed apart where lines end
    /// together.</summary>
    private double[] LabelPlaces(double[] ticks)
    {
        const double Apart = 17;
        int[] order = [.. Enumerable.Range(0, _lines.Count).OrderBy(line => Y(_lines[line].Values[^1], ticks))];
        double[] placed = new double[_lines.Count];
        double next = double.MinValue;
        foreach (int line in order)
        {
            placed[line] = Math.Max(next, Y(_lines[line].Values[^1], ticks));
            next = placed[line] + Apart;
        }

        return placed;
    }

    private double[] Ticks()
    {
        double most = _lines.Max(line => line.Values.Max()), least = _lines.Min(line => line.Values.Min());
        if (isLog)
        {
            int first = (int)Math.Floor(Math.Log10(least)), last = (int)Math.Ceiling(Math.Log10(most));
            return [.. Enumerable.Range(first, last - first + 1).Select(power => Math.Pow(10, power))];
        }

        double step = Math.Pow(10, Math.Floor(Math.Log10(most)));
        step = most / step < 2 ? step / 4 : most / step < 5 ? step / 2 : step;
        return [.. Enumerable.Range(0, (int)Math.Ceiling(most / step) + 1).Select(i => i * step)];
    }

    private double X(int place) => Left + 24 + ((Width - Left - Right - 48.0) * place / Math.Max(1, places.Length - 1));

    private double Y(double value, double[] ticks)
    {
        double low = Scale(ticks[0]), high = Scale(ticks[^1]);
        return Height - Bottom - ((Height - Top - Bottom) * (Scale(value) - low) / (high - low));
    }

    private double Scale(double value) => isLog ? Math.Log10(value) : value;

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
