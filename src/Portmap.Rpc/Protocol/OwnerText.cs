using System.Text;

namespace Portmap.Rpc.Protocol;

/// <summary>
/// Owner names on the wire: how they are sent, and how they are read to be changed.
/// </summary>
internal static class OwnerText
{
    /// <summary>The longest owner that a client sends to have it refused by the registry.</summary>
    /// <remarks>Anything longer it refuses by itself.</remarks>
    public const int MaxSentBytes = 2 * OwnerName.MaxBytes;

    /// <summary>
    /// Decodes a name that is to be changed; the registry judges its length and characters.
    /// </summary>
    /// <exception cref="PortRefusedException">It is not well-formed UTF-8, so that there is no
    /// string to hand on.</exception>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Xdr.XdrReader.Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new PortRefusedException(new PortRefusal(
                PortRefusalReason.InvalidOwner,
                $"The owner, {bytes.Length} bytes, is not well-formed UTF-8; use {OwnerName.Rule}."));
        }
    }

    /// <summary>Says what keeps a name from being sent at all, or null.</summary>
    public static PortRefusal? Complaint(string owner)
    {
        int bytes;
        try
        {
            bytes = Xdr.XdrReader.Utf8.GetByteCount(owner);
        }
        catch (EncoderFallbackException)
        {
            return new PortRefusal(
                PortRefusalReason.InvalidOwner,
                $"The owner holds a lone surrogate, which has no UTF-8; use {OwnerName.Rule}.")
            { Owner = owner };
        }

        return bytes <= MaxSentBytes ? null : new PortRefusal(
            PortRefusalReason.InvalidOwner,
            $"The owner is {bytes} bytes long; use {OwnerName.Rule}.")
        { Owner = owner };
    }
}
