using System.Globalization;
using System.Net;
using System.Text;

namespace Portmap.Pictures;

/// <summary>Draws a recording as an SVG that plays by itself, again and again: the lines come up
/// from below as they did in the terminal, slower. A reader who wants no motion sees the last
/// lines.</summary>
internal static class TerminalPicture
{
    private const double CharacterWidth = 8.1, LineHeight = 18, Margin = 14, BarHeight = 30;
    private const int Rows = 34;

    /// <summary>How long the lines take to come, and how long the last ones stay, in
    /// seconds.</summary>
    private const double PlayTime = 40, StayTime = 8;

    /// <summary>No line comes sooner than this after the one before, in seconds: a table would be
    /// there before it can be read.</summary>
    private const double LineTime = 0.06;

    /// <summary>The picture.</summary>
    /// <param name="recording">What it shows.</param>
    public static string Draw(Recording recording)
    {
        double width = (2 * Margin) + (Recording.Columns * CharacterWidth), height = BarHeight + (2 * Margin) + (Rows * LineHeight);
        StringBuilder svg = new();
        svg.AppendLine(Text($"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">"""));
        svg.AppendLine("<title>The demo of Portmap in a terminal</title>").AppendLine(Style(recording));
        svg.AppendLine(Text($"""<rect class="paper" width="{width}" height="{height}" rx="8"/>"""));
        string[] buttons = ["#ff5f56", "#ffbd2e", "#27c93f"];
        for (int i = 0; i < buttons.Length; i++)
        {
            svg.AppendLine(Text($"""<circle cx="{20 + (20 * i)}" cy="18" r="6" fill="{buttons[i]}"/>"""));
        }

        svg.AppendLine(Text($"""<svg x="{Margin}" y="{BarHeight + Margin}" width="{width - (2 * Margin)}" height="{Rows * LineHeight}"><g class="lines" xml:space="preserve">"""));
        for (int row = 0; row < recording.Lines.Count; row++)
        {
            foreach (Span span in Span.Read(recording.Lines[row].Text))
            {
                svg.AppendLine(Draw(span, row));
            }
        }

        return svg.AppendLine("</g></svg>").AppendLine("</svg>").ToString();
    }

    private static string Draw(Span span, int row)
    {
        string leading = span.Text.TrimStart();
        int column = span.Column + span.Text.Length - leading.Length;
        string style = (span.Colour, span.IsBold) switch
        {
            ( < 0 or > 15, false) => string.Empty,
            ( < 0 or > 15, true) => " class=\"b\"",
            (_, false) => Text($" class=\"c{span.Colour}\""),
            _ => Text($" class=\"c{span.Colour} b\""),
        };
        // textLength keeps columns straight in any font.
        return Text($"""<text{style} x="{column * CharacterWidth:0.#}" y="{(row * LineHeight) + 13}" textLength="{leading.Length * CharacterWidth:0.#}">{WebUtility.HtmlEncode(leading)}</text>""");
    }

    /// <summary>One animation moves all lines: each frame has the newest line at the
    /// bottom.</summary>
    private static string Style(Recording recording)
    {
        double[] times = Times(recording);
        double total = times[^1] + StayTime;
        StringBuilder frames = new();
        frames.Append(Text($"0% {{ transform: translateY({Rows * LineHeight}px) }} "));
        for (int row = 0; row < times.Length; row++)
        {
            if (row + 1 == times.Length || times[row + 1] - times[row] > 0.001)
            {
                frames.Append(Text($"{100 * times[row] / total:0.###}% {{ transform: translateY({(Rows - row - 1) * LineHeight}px) }} "));
            }
        }

        double end = (Rows - times.Length) * LineHeight;
        frames.Append(Text($"100% {{ transform: translateY({end}px) }}"));
        return Text($$"""
            <style>
              text { font: 13.4px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }
              .paper { fill: #161b22 } .b { font-weight: 700 }
              .c1, .c9 { fill: #ff7b72 } .c2, .c10 { fill: #3fb950 } .c3, .c11 { fill: #d29922 } .c4, .c12 { fill: #58a6ff } .c5, .c13 { fill: #bc8cff } .c6, .c14 { fill: #39c5cf } .c8 { fill: #8b949e }
              .lines { transform: translateY({{end}}px); animation: play {{total:0.#}}s step-end infinite }
              @media (prefers-reduced-motion: reduce) { .lines { animation: none } }
              @keyframes play { {{frames}} }
            </style>
            """);
    }

    /// <summary>When each line comes, in seconds: as recorded from the first one on, stretched over
    /// the play time.</summary>
    private static double[] Times(Recording recording)
    {
        TimeSpan first = recording.Lines[0].At;
        double factor = PlayTime / Math.Max(0.001, (recording.Lines[^1].At - first).TotalSeconds), last = 0;
        double[] times = new double[recording.Lines.Count];
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = last = Math.Max(last + LineTime, factor * (recording.Lines[i].At - first).TotalSeconds);
        }

        return times;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
