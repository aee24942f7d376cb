using Portmap.Charts;
using ScottPlot;

namespace Portmap.Storm.Reporting;

/// <summary>The results as a picture: what was lost, and how long it took.</summary>
internal static class Chart
{
    private const int Width = 940;
    private const int Height = 600;

    private static readonly Color s_starts = ChartStyle.Palette[0];
    private static readonly Color s_adversary = ChartStyle.Palette[1];
    private static readonly Color s_passersBy = ChartStyle.Palette[2];

    /// <summary>Writes <c>storm.svg</c>, and the same as <c>storm.png</c> to look at.</summary>
    public static void Draw(IReadOnlyList<RoundResult> handOffs, IReadOnlyList<RoundResult> starts, string folder)
    {
        Directory.CreateDirectory(folder);
        Multiplot both = new();
        both.AddPlots(2);
        string[] names = [.. starts.Select(result => result.Contestant)];
        both.Layout = new SideBySide(0.62f);
        Group[] groups =
        [
            new("hand-offs, among connect() and bind(0)", s_passersBy, [.. handOffs.Where(result => !result.WithAdversary)]),
            new("the same with an adversary", s_adversary, [.. handOffs.Where(result => result.WithAdversary)]),
            new("process starts, with the adversary", s_starts, starts),
        ];
        Losses(both.GetPlot(0), names, groups);
        Times(both.GetPlot(1), names, groups);

        ChartStyle.Save(both, Path.Combine(folder, "storm.svg"), Width, Height);
        both.SavePng(Path.Combine(folder, "storm.png"), Width, Height);
    }

    private static void Losses(Plot plot, string[] names, Group[] groups)
    {
        plot.Title("Lost a port to somebody else, %");
        for (int group = 0; group < groups.Length; group++)
        {
            Group drawn = groups[group];
            List<Bar> bars = [.. drawn.Results.Select(result => new Bar
            {
                Position = Place(Array.IndexOf(names, result.Contestant), group),
                Value = 100 * result.LostShare,
                Size = 0.24,
                Orientation = Orientation.Horizontal,
                FillColor = drawn.Color,
                LineWidth = 0,
                ValueLabel = Tables.Percent(result.LostShare),
            })];
            ScottPlot.Plottables.BarPlot plotted = plot.Add.Bars(bars);
            plotted.LegendText = drawn.Name;
            plotted.ValueLabelStyle.FontSize = 12;
            plotted.ValueLabelStyle.FontName = ChartStyle.Font;
            plotted.ValueLabelStyle.ForeColor = ChartStyle.Words;
        }

        plot.Axes.Left.SetTicks([.. names.Select((_, row) => Place(row, 1))], names);
        double most = groups.Max(group => group.Results.Max(result => 100 * result.LostShare));
        plot.Axes.SetLimitsX(0, (most * 1.12) + 0.5);
        Dress(plot, names.Length);
        plot.ShowLegend(Alignment.LowerRight, Orientation.Vertical);
    }

    private static void Times(Plot plot, string[] names, Group[] groups)
    {
        plot.Title("From acquire to listening: median to p99");
        for (int group = 0; group < groups.Length; group++)
        {
            foreach (RoundResult result in groups[group].Results)
            {
                double median = Log(result.Median), p99 = Log(result.P99), place = Place(Array.IndexOf(names, result.Contestant), group);
                ScottPlot.Plottables.LinePlot line = plot.Add.Line(median, place, p99, place);
                (line.LineWidth, line.LineColor, line.MarkerSize) = (3, groups[group].Color, 0);
                plot.Add.Marker(median, place, MarkerShape.FilledCircle, 9, groups[group].Color);
                plot.Add.Marker(p99, place, MarkerShape.VerticalBar, 12, groups[group].Color);
            }
        }

        double[] decades = [-1, 0, 1, 2, 3, 4];
        plot.Axes.Bottom.SetTicks(decades, ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
        plot.Axes.Left.SetTicks([], []);
        double last = groups.Max(group => group.Results.Max(result => Log(result.P99)));
        plot.Axes.SetLimitsX(-1, Math.Ceiling(last + 0.1));
        Dress(plot, names.Length);
    }

    private static void Dress(Plot plot, int rows)
    {
        plot.Axes.SetLimitsY(-rows + 0.45, 0.45);
        ChartStyle.Dress(plot);
        plot.Grid.YAxisStyle.IsVisible = false;
    }

    /// <summary>Rows go down; the bars of one row lie close together.</summary>
    private static double Place(int row, int group) => -row - ((group - 1) * 0.26);

    private static double Log(TimeSpan time) => Math.Log10(Math.Max(0.1, time.TotalMilliseconds));

    /// <summary>The bars of one colour.</summary>
    private sealed record Group(string Name, Color Color, IReadOnlyList<RoundResult> Results);

    /// <summary>The names stand on the left only, so that plot is the wider one.</summary>
    private sealed class SideBySide(float share) : IMultiplotLayout
    {
        public PixelRect[] GetSubplotRectangles(SubplotCollection subplots, PixelRect figureRect)
        {
            float middle = figureRect.Left + (share * figureRect.Width);
            return [new PixelRect(figureRect.Left, middle, figureRect.Bottom, figureRect.Top), new PixelRect(middle, figureRect.Right, figureRect.Bottom, figureRect.Top)];
        }
    }
}
