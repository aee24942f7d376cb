using System.Text;
using ScottPlot;
using SkiaSharp;

namespace Portmap.Charts;

/// <summary>How every chart of this repository looks: one font, thin lines, and colours that
/// colour-blind readers tell apart (Okabe and Ito's). Charts are opaque, so that they can be read
/// on a dark page too.</summary>
public static class ChartStyle
{
    /// <summary>The font of every word.</summary>
    public const string Font = "DejaVu Sans";

    private static readonly Color s_grid = Color.FromHex("#d8dee4");

    /// <summary>The colour of words and axes.</summary>
    public static Color Words { get; } = Color.FromHex("#1f2328");

    /// <summary>The colours of what is drawn, the first for what stands out.</summary>
    public static IReadOnlyList<Color> Palette { get; } =
        [Color.FromHex("#0072B2"), Color.FromHex("#D55E00"), Color.FromHex("#E69F00"), Color.FromHex("#009E73"), Color.FromHex("#CC79A7")];

    /// <summary>Gives a plot the common look. To be called when all is added to it.</summary>
    /// <param name="plot">The plot.</param>
    public static void Dress(Plot plot)
    {
        plot.FigureBackground.Color = plot.DataBackground.Color = Colors.White;
        plot.Axes.Color(Words);
        plot.Axes.Title.Label.FontSize = 14;
        plot.Axes.Left.TickLabelStyle.FontSize = plot.Axes.Bottom.TickLabelStyle.FontSize = plot.Axes.Bottom.Label.FontSize = 12;
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.Right.FrameLineStyle.Width = plot.Axes.Top.FrameLineStyle.Width = plot.Axes.Left.FrameLineStyle.Width = 0;
        plot.Grid.XAxisStyle.MajorLineStyle.Color = plot.Grid.YAxisStyle.MajorLineStyle.Color = s_grid;
        plot.Legend.FontSize = 12;
        (plot.Legend.OutlineWidth, plot.Legend.ShadowColor) = (0, Colors.Transparent);
        plot.Font.Set(Font);
    }

    /// <summary>Writes an SVG.</summary>
    /// <param name="chart">One or several plots.</param>
    /// <param name="file">The file to write.</param>
    /// <param name="width">In pixels.</param>
    /// <param name="height">In pixels.</param>
    public static void Save(Multiplot chart, string file, int width, int height)
    {
        using MemoryStream svg = new();
        using (SKCanvas canvas = SKSvgCanvas.Create(new SKRect(0, 0, width, height), svg))
        {
            chart.Render(canvas, new PixelRect(0, width, height, 0));
        }

        // Who looks at it may not have the font that it was laid out with; Verdana has the same
        // widths.
        string text = Encoding.UTF8.GetString(svg.ToArray()).Replace($"\"{Font}\"", $"\"{Font}, Verdana, sans-serif\"", StringComparison.Ordinal);
        File.WriteAllText(file, text);
    }
}
