using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.Json;
using Google.Protobuf;
using Portmap.Processes;

namespace Portmap.Etcd.Leasing;

/// <summary>What stands under the key of a host: where it is reached, and which process of which
/// boot speaks for it.</summary>
internal sealed record HostRecord(string Address, Guid Instance, Guid Boot, string Namespace, int ProcessId, long ProcessStart)
{
    public static HostRecord OfThis(string address) => new(
        address, Guid.NewGuid(), BootIdentity.Current, PidNamespace(), Environment.ProcessId, ProcessStat.StartOf(Environment.ProcessId) ?? 0);

    /// <summary>The leases of daemons that left the name before: what they published stays as long
    /// as these.</summary>
    public ImmutableArray<long> Left { get; init; } = [];

    /// <summary>Whether the process that wrote this is one of this machine and this boot that lives
    /// no more; false when that cannot be known.</summary>
    public bool IsOfDeadProcessHere =>
        Boot != Guid.Empty && Boot == BootIdentity.Current && Namespace.Length > 0 && Namespace == PidNamespace() && ProcessStart != 0
        && IsDead(ProcessId, ProcessStart);

    public ByteString ToValue()
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("address"u8, Address);
            writer.WriteString("instance"u8, Instance);
            writer.WriteString("boot"u8, Boot);
            writer.WriteString("namespace"u8, Namespace);
            writer.WriteNumber("pid"u8, ProcessId);
            writer.WriteNumber("start"u8, ProcessStart);
            if (!Left.IsEmpty)
            {
                writer.WriteStartArray("left"u8);
                foreach (long lease in Left)
                {
                    writer.WriteNumberValue(lease);
                }

                writer.WriteEndArray();
            }

            // No two writings are alike: by it a mirror knows a history again.
            writer.WriteString("mark"u8, Guid.NewGuid());
            writer.WriteEndObject();
        }

        return ByteString.CopyFrom(buffer.WrittenSpan);
    }

    /// <summary>What a value says; names that are missing or no such thing are empty.</summary>
    public static HostRecord Parse(ByteString value)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(value.Memory);
            JsonElement root = document.RootElement;
            return root.ValueKind != JsonValueKind.Object ? Unknown : new HostRecord(
                Text(root, "address"),
                Guid.TryParse(Text(root, "instance"), out Guid instance) ? instance : Guid.Empty,
                Guid.TryParse(Text(root, "boot"), out Guid boot) ? boot : Guid.Empty,
                Text(root, "namespace"),
                root.TryGetProperty("pid", out JsonElement pid) && pid.TryGetInt32(out int id) ? id : 0,
                root.TryGetProperty("start", out JsonElement begin) && begin.TryGetInt64(out long start) ? start : 0)
            {
                Left = root.TryGetProperty("left", out JsonElement left) && left.ValueKind == JsonValueKind.Array
                    ? [.. left.EnumerateArray().Where(one => one.ValueKind == JsonValueKind.Number && one.TryGetInt64(out _)).Select(one => one.GetInt64())]
                    : [],
            };
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return Unknown;
        }
    }

    private static HostRecord Unknown => new(string.Empty, Guid.Empty, Guid.Empty, string.Empty, 0, 0);

    private static string Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement found) && found.ValueKind == JsonValueKind.String ? found.GetString()! : string.Empty;

    /// <summary>A process that /proc does not show may be another user's (hidepid=2): then kill(2)
    /// decides, which is what .NET asks.</summary>
    private static bool IsDead(int processId, long start)
    {
        if (ProcessStat.TryRead(processId, out ProcessStat stat))
        {
            return !stat.IsAlive || stat.Start != start;
        }

        try
        {
            using Process other = Process.GetProcessById(processId);
            return false;
        }
        catch (ArgumentException)
        {
            return true;
        }
    }

    /// <summary>Process ids mean something within one of these only (pid_namespaces(7)).</summary>
    private static string PidNamespace()
    {
        try
        {
            return new FileInfo("/proc/self/ns/pid").LinkTarget ?? string.Empty;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }
}
