using ScottPlot;
using ScottPlot.Plottables;

namespace Portmap.Charts;

/// <summary>Lines over named places on the x axis.</summary>
/// <param name="title">What is shown, with the unit.</param>
/// <param name="xTitle">What the places are.</param>
/// <param name="places">The places, evenly spaced.</param>
/// <param name="format">How values are written at the y axis.</param>
/// <param name="isLog">Powers of ten on the y axis, instead of evenly spaced values from 0.</param>
public sealed class LineChart(string title, string xTitle, string[] places, Func<double, string> format, bool isLog)
{
    private const int Width = 760, Height = 380;

    private readonly List<(string Name, double[] Values)> _lines = [];

    /// <summary>Adds a line; the first one is ours and stands out.</summary>
    /// <param name="name">What it shows.</param>
    /// <param name="values">A value for each place, above 0.</param>
    public LineChart Line(string name, IEnumerable<double> values)
    {
        _lines.Add((name, [.. values]));
        return this;
    }

    /// <summary>Writes the chart as an SVG.</summary>
    /// <param name="file">The file to write.</param>
    public void Save(string file)
    {
        Multiplot page = new();
        page.AddPlots(1);
        Draw(page.GetPlot(0));
        ChartStyle.Save(page, file, Width, Height);
    }

    private void Draw(Plot plot)
    {
        plot.Title(title);
        plot.XLabel(xTitle);
        double[] xs = [.. places.Select((_, place) => (double)place)];
        for (int line = _lines.Count - 1; line >= 0; line--)
        {
            Scatter drawn = plot.Add.Scatter(xs, [.. _lines[line].Values.Select(Scale)], ChartStyle.Palette[line]);
            (drawn.LineWidth, drawn.MarkerSize) = line == 0 ? (3.5f, 9) : (2, 7);
            drawn.LegendText = _lines[line].Name;
        }

        plot.Axes.Bottom.SetTicks(xs, places);
        double[] ticks = Ticks();
        plot.Axes.Left.SetTicks([.. ticks.Select(Scale)], [.. ticks.Select(format)]);
        plot.Axes.SetLimits(-0.2, places.Length - 0.8, Scale(ticks[0]), Scale(ticks[^1]));
        ChartStyle.Dress(plot);
        plot.Grid.XAxisStyle.IsVisible = false;
        plot.ShowLegend(Edge.Right);
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

    private double Scale(double value) => isLog ? Math.Log10(value) : value;
}
