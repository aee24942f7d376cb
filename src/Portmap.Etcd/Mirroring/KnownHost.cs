namespace Portmap.Etcd.Mirroring;

/// <summary>A host of the fleet as its entries know it: one object for all of them.</summary>
/// <remarks>Written by the mirror's one writer, read by anybody.</remarks>
internal sealed class KnownHost(string name)
{
    private string? _address;

    public string Name { get; } = name;

    /// <summary>The address it publishes; its name until it has.</summary>
    public string Address => Volatile.Read(ref _address) ?? Name;

    /// <summary>Its sign of life stands in etcd.</summary>
    public bool IsThere => Volatile.Read(ref _address) is not null;

    /// <summary>How many entries it has; for the mirror's writer, and those that hold its
    /// gate.</summary>
    public int Entries { get; set; }

    public void Says(string? address) => Volatile.Write(ref _address, address);
}
