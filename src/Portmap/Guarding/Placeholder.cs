using System.Net.Sockets;
using Portmap.Native;
using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>One port that is held for a claim.</summary>
/// <remarks>
/// Who reads or changes it is at it (<see cref="Errands"/>), but for the reads of
/// <see cref="Epoch"/>, <see cref="IsGone"/>, <see cref="IsOpen"/>, <see cref="KeptSince"/> and
/// <see cref="Passed"/>. So its descriptor is closed by one, when no other uses it.
/// </remarks>
internal sealed class Placeholder(BoundSocket socket, bool isShared, GuardedPort claim, PortGuardMode mode)
{
    private readonly BoundSocket _socket = socket;
    private readonly bool _isShared = isShared;
    private bool _isListening;
    private volatile bool _isOpen, _isGone;
    private long _keptSince = -1;
    private GuardedPort _claim = claim;
    private (GuardedPort Claim, PortGuardMode Mode, long KeptSince, bool IsJoined)? _before;

    /// <summary>The epoch the port is held for.</summary>
    /// <remarks>Read by any thread in <see cref="IPortGuard.KeepsOut"/>.</remarks>
    private long _epoch = claim.Epoch;

    /// <summary>
    /// What the port is held for: a lease, then the registration that used it up.
    /// </summary>
    public GuardedPort Claim
    {
        get => _claim;
        set
        {
            _claim = value;
            Volatile.Write(ref _epoch, value.Epoch);   // others read no more of it: a struct is not read whole beside a write
        }
    }

    public Errands Errands { get; } = new();

    public long Epoch => Volatile.Read(ref _epoch);

    public PortGuardMode Mode { get; private set; } = mode;

    /// <summary>The socket is closed, and this object in no table any more.</summary>
    public bool IsGone => _isGone;

    /// <summary>Somebody with SO_REUSEADDR could have got in.</summary>
    public bool WasOpen { get; private set; }

    /// <summary>Since when the port waits for its owner's return, or -1.</summary>
    public long KeptSince
    {
        get => Volatile.Read(ref _keptSince);
        set => Volatile.Write(ref _keptSince, value);
    }

    /// <summary>Somebody else than the owner came in while it was open, and listens.</summary>
    public bool IsJoined { get; set; }

    /// <summary>How strongly it holds the port.</summary>
    /// <remarks>
    /// Never Exclusive where another bound, silent socket may lie underneath, or somebody else
    /// listens, or may come to: a program can set SO_REUSEPORT on the socket that it was passed.
    /// </remarks>
    public PortGuarantee Guarantee =>
        _isListening ? (SocketOptions.IsReusePort(_socket.AsSocket()) ? PortGuarantee.HeldByProcess : PortGuarantee.Exclusive)
        : IsJoined ? PortGuarantee.HeldByProcess
        : _isOpen || _isShared ? PortGuarantee.Admitting
        : PortGuarantee.Exclusive;

    public bool IsOpen
    {
        get => _isOpen;
        set
        {
            if (_isOpen != value)
            {
                Hook.At(Step.MoveGate);
                _socket.SetReuseAddress(value);
                _isOpen = value;
                WasOpen |= value;
            }
        }
    }

    /// <summary>It stays where it is while its process lives, and after a death until the owner
    /// returns.</summary>
    public bool Stays => Mode is PortGuardMode.WhileAlive or PortGuardMode.PassSocket;

    /// <summary>It is a socket that is passed to a program, and takes in who connects.</summary>
    public bool Listens => _isListening;

    /// <summary>The socket that is passed to the program; null when there is none to be
    /// passed.</summary>
    public Socket? Passed => _isListening ? _socket.AsSocket() : null;

    /// <summary>Takes in whoever connects, for the program that will get the socket.</summary>
    /// <returns>Why it cannot; in use where somebody else listens after all.</returns>
    public SocketError TryListen()
    {
        try
        {
            if (Claim.Protocol == PortProtocol.Tcp)
            {
                _socket.AsSocket().Listen(int.MaxValue);   // the kernel takes as many as it allows

                // Connections inherit it, and so does what they leave behind: without it nobody
                // could bind the port for a minute. Nobody gets in by it, for we listen.
                _socket.SetReuseAddress(isOn: true);
            }

            _ = _socket.AsSocket();   // before others are told of it
            _isListening = true;
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    /// <summary>Sees to it that a socket which a program had serves anybody again, as far as that
    /// can be done. One that does not listen has nothing to be seen to.</summary>
    /// <remarks>
    /// The program shares it, so what it did to it lasts: the kernel is asked. What was shut down
    /// is bound and silent, and has SO_REUSEADDR: others may have bound the port meanwhile.
    /// </remarks>
    /// <returns>
    /// False when it is of no use: somebody else listens, or it takes datagrams of one peer only.
    /// </returns>
    public bool TryRefit() => !_isListening
        || (Claim.Protocol == PortProtocol.Udp ? !Posix.HasPeer(_socket.AsSocket().SafeHandle)
            : SocketOptions.Listens(_socket.AsSocket()) || (BehindTheGate.TryWipe(Claim.Port) && TryListen() == SocketError.Success));

    /// <summary>
    /// Another lease takes the port over, on which nobody listens; the gate is closed.
    /// </summary>
    public void PassTo(in GuardedPort claim, PortGuardMode mode)
    {
        _before = KeptSince < 0 ? null : (Claim, Mode, KeptSince, IsJoined);
        KeptSince = -1;
        IsJoined = false;
        Claim = claim;
        Mode = mode;
    }

    /// <summary>It waits again for the owner it was kept for, when the lease that took it over has
    /// come to nothing.</summary>
    /// <returns>False when it was kept for nobody.</returns>
    public bool TryGiveBack()
    {
        if (_before is not { } before)
        {
            return false;
        }

        (Claim, Mode, KeptSince, IsJoined) = before;
        _before = null;
        return true;
    }

    public void Close()
    {
        Hook.At(Step.ClosePlaceholder);
        _isGone = true;
        _socket.Dispose();
    }
}
