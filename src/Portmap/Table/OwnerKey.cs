namespace Portmap.Table;

/// <summary>The name of an owner on one protocol, with its hash, so that it is computed
/// once.</summary>
internal readonly struct OwnerKey(PortProtocol protocol, string owner, int hash)
{
    public PortProtocol Protocol { get; } = protocol;

    public string Owner { get; } = owner;

    public int Hash { get; } = hash;
}
