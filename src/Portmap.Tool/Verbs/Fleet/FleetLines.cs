using System.Globalization;
using System.Text.Json;
using Portmap.Etcd;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs.Fleet;

/// <summary>How entries of the fleet are written.</summary>
internal static class FleetLines
{
    /// <summary>Entries, the way that was asked for.</summary>
    public static void Show(Invocation run, IEnumerable<FleetEntry> entries)
    {
        if (run.Json)
        {
            foreach (FleetEntry entry in entries)
            {
                Lines.Write(run.Out, json => Fields(json, entry));
            }

            return;
        }

        TextTable table = Tables.Make("OWNER", "HOST", "PLACE", "PROTOCOL", "EPOCH", "CLAIM");
        foreach (FleetEntry entry in entries)
        {
            Tables.Add(table, Words.Of(entry.Owner), Words.Of(entry.Host), Place(entry), Words.Of(entry.Protocol), Number(entry.Epoch), entry.ClaimEpoch is { } claim ? Number(claim) : Words.None);
        }

        run.Write(table);
    }

    /// <summary>The fields of an entry, in the object that is open.</summary>
    public static void Fields(Utf8JsonWriter json, FleetEntry entry)
    {
        json.WriteString("owner", entry.Owner);
        json.WriteString("host", entry.Host);
        json.WriteString("address", entry.Address);
        json.WriteNumber("port", entry.Port);
        json.WriteString("protocol", Words.Of(entry.Protocol));
        json.WriteNumber("epoch", entry.Epoch);
        Lines.Number(json, "claim", entry.ClaimEpoch);
        json.WriteNumber("revision", entry.Revision);
    }

    /// <summary>Where it is reached, as a URL has it.</summary>
    public static string Place(FleetEntry entry)
    {
        string address = Words.Of(entry.Address);
        return Words.Text($"{(address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address)}:{entry.Port}");
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
