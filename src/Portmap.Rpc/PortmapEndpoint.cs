using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Portmap.Rpc;

/// <summary>Where a daemon listens: <c>unix:PATH</c> or <c>tcp:ADDRESS:PORT</c>.</summary>
/// <remarks>
/// Immutable and safe for any thread. It is an address, not a connection: making one touches
/// neither disk nor network.
/// </remarks>
public sealed record PortmapEndpoint
{
    private const string UnixScheme = "unix:";
    private const string TcpScheme = "tcp:";

    private readonly string _text;

    private PortmapEndpoint(string text, string? path, IPEndPoint? address)
    {
        _text = text;
        Path = path;
        Address = address;
    }

    /// <summary>
    /// The meeting point of a daemon and workers that were told nothing:
    /// <c>unix:$XDG_RUNTIME_DIR/portmap.sock</c>, else <c>unix:/run/portmap.sock</c>.
    /// </summary>
    /// <exception cref="FormatException">
    /// XDG_RUNTIME_DIR makes the path longer than 107 bytes.
    /// </exception>
    public static PortmapEndpoint Default
    {
        get
        {
            string? folder = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
            return Unix(System.IO.Path.Combine(string.IsNullOrEmpty(folder) ? "/run" : folder, "portmap.sock"));
        }
    }

    /// <summary>The socket path, or null for TCP.</summary>
    internal string? Path { get; }

    /// <summary>The address and port, or null for a Unix socket.</summary>
    internal IPEndPoint? Address { get; }

    internal EndPoint EndPoint => Path is null ? Address! : new UnixDomainSocketEndPoint(Path);

    internal AddressFamily Family => Path is null ? Address!.AddressFamily : AddressFamily.Unix;

    /// <summary>Reads an endpoint.</summary>
    /// <param name="text">
    /// <c>unix:PATH</c> or <c>tcp:ADDRESS:PORT</c>; an IPv6 address stands in brackets.
    /// </param>
    /// <exception cref="FormatException">
    /// It is none; the message says what is wrong and what is expected.
    /// </exception>
    public static PortmapEndpoint Parse(string text) =>
        TryParse(text, out PortmapEndpoint? endpoint, out string? complaint) ? endpoint : throw new FormatException(complaint);

    /// <summary>Reads an endpoint.</summary>
    /// <param name="text">
    /// <c>unix:PATH</c> or <c>tcp:ADDRESS:PORT</c>; an IPv6 address stands in brackets.
    /// </param>
    /// <param name="endpoint">The endpoint, or null.</param>
    /// <param name="complaint">What is wrong and what is expected, or null.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out PortmapEndpoint? endpoint, [NotNullWhen(false)] out string? complaint)
    {
        endpoint = null;
        if (text is not null && text.StartsWith(UnixScheme, StringComparison.Ordinal))
        {
            string path = text[UnixScheme.Length..];
            complaint = PathComplaint(path);
            endpoint = complaint is null ? new PortmapEndpoint(text, path, null) : null;
            return complaint is null;
        }

        if (text is not null && text.StartsWith(TcpScheme, StringComparison.Ordinal) && TryParseAddress(text[TcpScheme.Length..], out IPEndPoint? address))
        {
            complaint = null;
            endpoint = Tcp(address);
            return true;
        }

        complaint = $"'{text}' is not an endpoint; write unix:PATH or tcp:ADDRESS:PORT with a numeric address, for example tcp:127.0.0.1:24007 or tcp:[::1]:24007.";
        return false;
    }

    /// <summary>The text that <see cref="Parse"/> reads.</summary>
    public override string ToString() => _text;

    internal static PortmapEndpoint Unix(string path) => Parse(UnixScheme + path);

    internal static PortmapEndpoint Tcp(IPEndPoint address) => new(TcpScheme + address, null, address);

    private static bool TryParseAddress(string text, [NotNullWhen(true)] out IPEndPoint? address)
    {
        address = null;
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return false;
        }

        string host = text[..colon];
        bool bracketed = host.StartsWith('[') && host.EndsWith(']');

        // IPAddress reads "1" as 0.0.0.1; an address that was cut short is an error here, not
        // another address.
        if (!IPAddress.TryParse(bracketed ? host[1..^1] : host, out IPAddress? ip)
            || bracketed != (ip.AddressFamily == AddressFamily.InterNetworkV6)
            || (!bracketed && host.AsSpan().Count('.') != 3))
        {
            return false;
        }

        address = new IPEndPoint(ip, port);
        return true;
    }

    private static string? PathComplaint(string path)
    {
        int bytes = Encoding.UTF8.GetByteCount(path);
        return path.Length == 0 ? "The endpoint 'unix:' has no path; write unix:PATH, for example unix:/run/portmap.sock."
            : path.Contains('\0', StringComparison.Ordinal) ? "The socket path holds a NUL character; choose a path without."
            : bytes > SocketPath.MaxBytes ? string.Create(CultureInfo.InvariantCulture,
                $"The socket path '{path}' is {bytes} bytes long and the kernel takes at most {SocketPath.MaxBytes}; choose a shorter folder.")
            : null;
    }
}
