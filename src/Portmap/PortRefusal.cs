using System.Diagnostics.CodeAnalysis;

namespace Portmap;

/// <summary>
/// The typed answer of an operation that was refused: the reason, the value, the bound, the holder
/// if known, and the remedy.
/// </summary>
/// <remarks>
/// Immutable and safe for any thread. The message is built when it is first read, so that a refusal
/// nobody reads costs next to nothing.
/// </remarks>
public sealed class PortRefusal
{
    private Func<string>? _build;
    private string? _message;
    private readonly int _port;
    private int _holderProcessId;
    private long _holderEpoch;

    internal PortRefusal(PortRefusalReason reason, Func<string> message, string? owner = null, int port = 0, PortProtocol protocol = PortProtocol.Tcp)
    {
        Reason = reason;
        Owner = owner;
        _port = port;
        Protocol = protocol;
        _build = message;
    }

    /// <summary>
    /// Makes a refusal out of its parts, for whoever passes one on: from a daemon over a wire to
    /// the process that asked.
    /// </summary>
    /// <param name="reason">Why.</param>
    /// <param name="message">The whole text.</param>
    /// <exception cref="ArgumentNullException"><paramref name="message"/> is null.</exception>
    public PortRefusal(PortRefusalReason reason, string message)
        : this(reason, (message ?? throw new ArgumentNullException(nameof(message))).ToString)
    {
    }

    /// <summary>What the host should know of besides, whoever was refused; null for most.</summary>
    internal PortFinding? Finding { get; init; }

    /// <summary>
    /// Makes the refusal that tells why a socket could not be bound, or could not listen: each
    /// error has a reason and a remedy of its own.
    /// </summary>
    /// <param name="failure">What the socket threw.</param>
    /// <param name="owner">The owner the socket is for, or null.</param>
    /// <param name="port">The port that was to be bound; 0 when the kernel was to choose.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="address">The address it was to be bound to, or null for every address.</param>
    /// <returns>
    /// Foreign for EADDRINUSE, PortDenied, AddressUnavailable, FamilyUnsupported, NoDescriptors or
    /// NoMemory; null for any other error.
    /// </returns>
    /// <exception cref="ArgumentNullException"><paramref name="failure"/> is null.</exception>
    public static PortRefusal? CreateForBind(
        System.Net.Sockets.SocketException failure, string? owner, int port, PortProtocol protocol = PortProtocol.Tcp, System.Net.IPAddress? address = null)
    {
        ArgumentNullException.ThrowIfNull(failure);
        System.Net.Sockets.SocketError error = failure.SocketErrorCode;
        return BindError.ReasonOf(error) is { } reason
            ? new PortRefusal(reason, () => BindError.Explain(error, port, address), owner, port, protocol)
            : null;
    }

    /// <summary>Why.</summary>
    public PortRefusalReason Reason { get; }

    /// <summary>The owner the operation was about, or null.</summary>
    public string? Owner { get; init; }

    /// <summary>The port the operation was about, or null when it was about none.</summary>
    public int? Port { get => _port == 0 ? null : _port; init => _port = value ?? 0; }

    /// <summary>The protocol the operation was about.</summary>
    public PortProtocol Protocol { get; init; }

    /// <summary>The owner that holds what was asked for, or null where none is known.</summary>
    public string? Holder { get; init; }

    /// <summary>The process id of the holder, or null where none is known.</summary>
    public int? HolderProcessId
    {
        get => (_holderProcessId == 0 && FindHolder is { } find ? find() : _holderProcessId) is > 0 and int known ? known : null;
        init => _holderProcessId = value ?? 0;
    }

    /// <summary>
    /// Looks for the process of a stranger, which is done only when somebody asks.
    /// </summary>
    internal Func<int>? FindHolder { get; init; }

    /// <summary>
    /// The epoch of the claim that stands in the way, or null where there is none.
    /// </summary>
    public long? HolderEpoch { get => _holderEpoch == 0 ? null : _holderEpoch; init => _holderEpoch = value ?? 0; }

    /// <summary>Which of the requests of one ask was refused, from 0 on; null where there was only
    /// one.</summary>
    public int? Request { get; init; }

    /// <summary>
    /// The entry that stands, Bound or Recovered, with its process, where an acquisition was
    /// refused as <see cref="PortRefusalReason.AlreadyServed"/>; null otherwise.
    /// </summary>
    public PortEntry? Entry { get; init; }

    /// <summary>
    /// One or two sentences: the value, the bound, the holder if known, and what to do.
    /// </summary>
    /// <remarks>
    /// It fits one line of a log or a terminal: controls and invisible characters of names stand in
    /// it as <c>\uXXXX</c>.
    /// </remarks>
    public string Message
    {
        get
        {
            // Two readers may both build it; the texts are alike and either may stay.
            string? message = Volatile.Read(ref _message);
            if (message is null)
            {
                Func<string>? build = Volatile.Read(ref _build);
                message = build is null ? Volatile.Read(ref _message)! : Diagnostics.Printable.Of(build());
                Volatile.Write(ref _message, message);
                Volatile.Write(ref _build, null);
            }

            return message;
        }
    }

    /// <summary>The reason and the message.</summary>
    public override string ToString() => $"{Reason}: {Message}";

    /// <summary>The same, of one of several requests in one ask.</summary>
    internal PortRefusal Of(int request, int count) =>
        new(Reason, () => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Request {request + 1} of {count}: {Message} Nothing was taken."), Owner, _port, Protocol)
        {
            Request = request,
            Holder = Holder,
            _holderProcessId = _holderProcessId,
            FindHolder = FindHolder,
            _holderEpoch = _holderEpoch,
            Entry = Entry,
            Finding = Finding,
        };

    [DoesNotReturn]
    internal void Throw() => throw new PortRefusedException(this);
}
