using Portmap.Tool.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Portmap.Tool.Live;

/// <summary>The range as a bar.</summary>
/// <remarks>
/// Each place stands for some ports. It shows the state that most of them have, free ones aside.
/// </remarks>
internal static class RangeBar
{
    private static readonly PortState[] s_states = [PortState.Bound, PortState.Reserved, PortState.Recovered, PortState.Cooling, PortState.Foreign];

    public static IRenderable Of(IReadOnlyList<PortEntry> entries, PortRange range, int width)
    {
        int places = Math.Clamp(width, 1, range.Count);
        int[,] counts = new int[places, Enum.GetValues<PortState>().Length];
        foreach (PortEntry entry in entries)
        {
            if (range.Contains(entry.Port))
            {
                counts[(int)((long)(entry.Port - range.First) * places / range.Count), (int)entry.State]++;
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
    public static IRenderable Legend(IReadOnlyList<PortEntry> entries, PortRange range)
    {
        Paragraph legend = new();
        foreach (PortState state in s_states)
        {
            legend.Append($"{Glyph(state)} ", new Style(Tables.Colour(state)));
            legend.Append(Words.Text($"{Words.Of(state)} {entries.Count(entry => entry.State == state)}   "));
        }

        int used = entries.Where(entry => range.Contains(entry.Port)).Select(entry => (entry.Protocol, entry.Port)).Distinct().GroupBy(pair => pair.Protocol).Select(group => group.Count()).DefaultIfEmpty().Max();
        legend.Append(Words.Text($"{Glyph(PortState.Free)} free {range.Count - used} of {range.Count}"));
        return legend;
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
