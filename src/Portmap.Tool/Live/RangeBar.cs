using Portmap.Tool.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Portmap.Tool.Live;

/// <summary>The ranges as one bar, one after the other.</summary>
/// <remarks>
/// Each place stands for some ports. It shows the state that most of them have, free ones aside.
/// </remarks>
internal static class RangeBar
{
    private static readonly PortState[] s_states = [PortState.Bound, PortState.Reserved, PortState.Recovered, PortState.Cooling, PortState.Foreign];

    public static IRenderable Of(IReadOnlyList<PortEntry> entries, IReadOnlyList<PortRange> ranges, int width)
    {
        int ports = ranges.Sum(range => range.Count), places = Math.Clamp(width, 1, ports);
        int[,] counts = new int[places, Enum.GetValues<PortState>().Length];
        foreach (PortEntry entry in entries)
        {
            if (IndexOf(entry.Port, ranges) is >= 0 and int index)
            {
                counts[(int)((long)index * places / ports), (int)entry.State]++;
            }
        }

        Paragraph bar = new();
        for (int place = 0; place < places; place++)
        {
            PortState most = s_states.MaxBy(state => counts[place, (int)state]);
            PortState shown = counts[place, (int)most] == 0 ? PortState.Free : most;
            bar.Append(Glyph(shown), new Style(Tables.Colour(shown)));
        }

        return bar;
    }

    /// <summary>What the glyphs mean, and how many there are of each.</summary>
    public static IRenderable Legend(IReadOnlyList<PortEntry> entries, IReadOnlyList<PortRange> ranges)
    {
        Paragraph legend = new();
        foreach (PortState state in s_states)
        {
            legend.Append($"{Glyph(state)} ", new Style(Tables.Colour(state)));
            legend.Append(Words.Text($"{Words.Of(state)} {entries.Count(entry => entry.State == state)}   "));
        }

        int used = entries.Where(entry => IndexOf(entry.Port, ranges) >= 0).Select(entry => (entry.Protocol, entry.Port)).Distinct().GroupBy(pair => pair.Protocol).Select(group => group.Count()).DefaultIfEmpty().Max();
        int ports = ranges.Sum(range => range.Count);
        legend.Append(Words.Text($"{Glyph(PortState.Free)} free {ports - used} of {ports}"));
        return legend;
    }

    /// <summary>The place of a port among those of the ranges, or -1.</summary>
    private static int IndexOf(int port, IReadOnlyList<PortRange> ranges)
    {
        int before = 0;
        foreach (PortRange range in ranges)
        {
            if (range.Contains(port))
            {
                return before + port - range.First;
            }

            before += range.Count;
        }

        return -1;
    }

    /// <summary>Told apart without colours too.</summary>
    private static string Glyph(PortState state) => state switch
    {
        PortState.Bound => "#",
        PortState.Reserved => "r",
        PortState.Recovered => "?",
        PortState.Cooling => "~",
        PortState.Foreign => "X",
        _ => ".",
    };
}
