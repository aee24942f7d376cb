using Google.Protobuf;

namespace Portmap.Etcd.Leasing;

/// <summary>One attempt to claim an owner, which may take several requests.</summary>
/// <param name="Owner">The owner.</param>
/// <param name="Key">Its key.</param>
/// <param name="Value">Of this attempt alone: what stands there is known to be ours although no
/// answer came.</param>
/// <param name="Term">Whose lease the key is to have.</param>
internal sealed record ClaimAttempt(string Owner, ByteString Key, ByteString Value, LeaseTerm Term)
{
    /// <summary>Why the last request came to nothing, where it was told.</summary>
    public string? Trouble { get; set; }
}
