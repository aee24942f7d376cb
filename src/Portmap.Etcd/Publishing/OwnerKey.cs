namespace Portmap.Etcd.Publishing;

/// <summary>An owner of one protocol: what has one entry at etcd.</summary>
internal readonly record struct OwnerKey(string Owner, PortProtocol Protocol);
