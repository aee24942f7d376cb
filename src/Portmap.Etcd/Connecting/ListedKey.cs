namespace Portmap.Etcd.Connecting;

/// <summary>One key of a listing, as it stands in the answer of etcd: for as long as it is
/// looked at.</summary>
internal readonly ref struct ListedKey
{
    public ReadOnlySpan<byte> Key { get; init; }

    public ReadOnlySpan<byte> Value { get; init; }

    /// <summary>The revision that wrote it last.</summary>
    public long ModRevision { get; init; }

    /// <summary>The lease it goes with, or 0.</summary>
    public long Lease { get; init; }
}

/// <summary>Is given the keys of a listing one by one.</summary>
internal delegate void EachKey(in ListedKey key);
