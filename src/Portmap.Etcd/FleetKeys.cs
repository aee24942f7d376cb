using System.Text;
using System.Text.Unicode;
using Google.Protobuf;

namespace Portmap.Etcd;

/// <summary>The keys of a fleet, all under one prefix, so that one watch tells everything in one
/// order.</summary>
/// <remarks><code>
///   PREFIX/e/HOST/OWNER   an owner that HOST serves over TCP       with the lease of HOST
///   PREFIX/e/HOST/        a random mark, anew with each batch      with the lease of HOST
///   PREFIX/u/HOST/OWNER   the same over UDP                        with the lease of HOST
///   PREFIX/h/HOST         the sign of life of HOST                 with the lease of HOST
///   PREFIX/o/OWNER        the claim on an owner there is once      with the lease of its holder
/// </code>
/// A host's name holds no slash; an owner may hold any number. Each host's keys are three ranges,
/// so that etcd's roles can let a host write its own and nothing else.</remarks>
internal sealed class FleetKeys
{
    private readonly string _prefix;
    private readonly byte[] _root;

    public FleetKeys(string prefix, string host)
    {
        _prefix = prefix;
        _root = Encoding.UTF8.GetBytes(prefix + "/");
        Root = ByteString.CopyFrom(_root);
        Host = ByteString.CopyFromUtf8($"{prefix}/h/{host}");
        Tcp = ByteString.CopyFromUtf8($"{prefix}/e/{host}/");
        Udp = ByteString.CopyFromUtf8($"{prefix}/u/{host}/");
        Hosts = ByteString.CopyFromUtf8($"{prefix}/h/");
    }

    /// <summary>What a key is about.</summary>
    public enum Kind
    {
        Other,
        Entry,
        Host,
        Claim,

        /// <summary>What a host writes with each of its batches, like nothing else.</summary>
        Mark,
    }

    /// <summary>What all keys begin with.</summary>
    public ByteString Root { get; }

    /// <summary>The key of this host's sign of life.</summary>
    public ByteString Host { get; }

    /// <summary>What the keys of all hosts' signs of life begin with.</summary>
    public ByteString Hosts { get; }

    /// <summary>What the keys of this host's TCP owners begin with.</summary>
    public ByteString Tcp { get; }

    /// <summary>What the keys of this host's UDP owners begin with.</summary>
    public ByteString Udp { get; }

    public ByteString Entry(string owner, PortProtocol protocol)
    {
        ByteString begin = protocol == PortProtocol.Udp ? Udp : Tcp;
        byte[] key = new byte[begin.Length + Encoding.UTF8.GetByteCount(owner)];
        begin.CopyTo(key, 0);
        Encoding.UTF8.GetBytes(owner, key.AsSpan(begin.Length));
        return UnsafeByteOperations.UnsafeWrap(key);
    }

    /// <summary>What the keys of a host's owners begin with.</summary>
    /// <param name="host">The host's bytes.</param>
    /// <param name="protocol">The protocol.</param>
    public ByteString EntriesOf(ReadOnlySpan<byte> host, PortProtocol protocol) =>
        ByteString.CopyFrom([.. _root, protocol == PortProtocol.Udp ? (byte)'u' : (byte)'e', (byte)'/', .. host, (byte)'/']);

    public ByteString Claim(string owner) => ByteString.CopyFromUtf8($"{_prefix}/o/{owner}");

    /// <summary>Takes a key apart.</summary>
    /// <param name="key">The key.</param>
    /// <param name="host">The host's bytes of an entry and of a host.</param>
    /// <param name="owner">The owner's bytes of an entry and of a claim.</param>
    /// <param name="protocol">The protocol of an entry.</param>
    public Kind Parse(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> host, out ReadOnlySpan<byte> owner, out PortProtocol protocol)
    {
        host = owner = default;
        protocol = PortProtocol.Tcp;
        if (!key.StartsWith(_root) || key.Length < _root.Length + 3 || key[_root.Length + 1] != (byte)'/')
        {
            return Kind.Other;
        }

        if (!Utf8.IsValid(key[_root.Length..]))
        {
            return Kind.Other;   // nobody of us wrote it: read as text, two such names are one, and that text is another key
        }

        ReadOnlySpan<byte> rest = key[(_root.Length + 2)..];
        switch (key[_root.Length])
        {
            case (byte)'h':
                host = rest;
                return Kind.Host;
            case (byte)'o':
                owner = rest;
                return Kind.Claim;
            case (byte)'e' or (byte)'u':
                int slash = rest.IndexOf((byte)'/');
                if (slash <= 0 || slash == rest.Length - 1)
                {
                    return slash > 0 && key[_root.Length] == (byte)'e' ? Kind.Mark : Kind.Other;
                }

                protocol = key[_root.Length] == (byte)'u' ? PortProtocol.Udp : PortProtocol.Tcp;
                host = rest[..slash];
                owner = rest[(slash + 1)..];
                return Kind.Entry;
            default:
                return Kind.Other;
        }
    }

    /// <summary>The first key after all that begin with this one; its last byte is no 0xFF
    /// here.</summary>
    public static ByteString EndOf(ByteString prefix)
    {
        byte[] end = prefix.ToByteArray();
        end[^1]++;
        return UnsafeByteOperations.UnsafeWrap(end);
    }

    /// <summary>The first key after this one.</summary>
    public static ByteString After(ByteString key)
    {
        byte[] next = new byte[key.Length + 1];
        key.CopyTo(next, 0);
        return UnsafeByteOperations.UnsafeWrap(next);
    }
}
