using System.Globalization;
using System.Text;
using System.Text.Json;
using Google.Protobuf;

namespace Portmap.Etcd;

/// <summary>What stands under the key of an owner: <c>{"port":49153,"epoch":12}</c>, and
/// <c>"claim"</c> when the owner is held alone in the fleet. Names that are not known are skipped,
/// so that later versions may say more.</summary>
internal readonly record struct PublishedEntry(ushort Port, long Epoch, long ClaimEpoch)
{
    public ByteString ToValue() => ByteString.CopyFrom(
        ClaimEpoch == 0
            ? string.Create(CultureInfo.InvariantCulture, $$"""{"port":{{Port}},"epoch":{{Epoch}}}""")
            : string.Create(CultureInfo.InvariantCulture, $$"""{"port":{{Port}},"epoch":{{Epoch}},"claim":{{ClaimEpoch}}}"""),
        Encoding.UTF8);

    /// <summary>False for what is no entry: somebody else wrote it.</summary>
    public static bool TryParse(ReadOnlySpan<byte> value, out PublishedEntry entry)
    {
        ushort port = 0;
        long epoch = 0, claim = 0;
        entry = default;
        try
        {
            Utf8JsonReader reader = new(value);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isPort = reader.ValueTextEquals("port"u8), isEpoch = reader.ValueTextEquals("epoch"u8), isClaim = reader.ValueTextEquals("claim"u8);
                reader.Read();
                if ((isPort && !reader.TryGetUInt16(out port)) || (isEpoch && !reader.TryGetInt64(out epoch)) || (isClaim && !reader.TryGetInt64(out claim)))
                {
                    return false;
                }

                reader.Skip();
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return false;   // no JSON, or no number where one belongs
        }

        entry = new PublishedEntry(port, epoch, claim);
        return port != 0;
    }
}
