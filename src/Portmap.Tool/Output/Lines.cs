using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Portmap.Tool.Output;

/// <summary>JSON for programs: one object a line, written out line by line.</summary>
internal static class Lines
{
    public static void Write(TextWriter writer, Action<Utf8JsonWriter> content)
    {
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }

        writer.Write(Encoding.UTF8.GetString(line.WrittenSpan));
        writer.Write('\n');
    }

    /// <summary>The fields of an entry, in the object that is open.</summary>
    public static void Fields(Utf8JsonWriter json, in PortEntry entry)
    {
        json.WriteString("owner", entry.Owner);
        json.WriteNumber("port", entry.Port);
        json.WriteString("protocol", Words.Of(entry.Protocol));
        json.WriteString("state", Words.Of(entry.State));
        Number(json, "epoch", entry.Epoch);
        Number(json, "pid", entry.ProcessId);
        json.WriteString("since", entry.Since);
        json.WriteNumber("owners", entry.OwnerCount);
        json.WriteString("guarantee", Words.Of(entry.Guarantee));
        json.WriteString("strategy", entry.Strategy);
        json.WriteString("addresses", entry.Addresses);
    }

    public static void Number(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
