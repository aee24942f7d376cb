using System.Globalization;
using System.Runtime.InteropServices;
using Portmap.Rpc.Peers;

namespace Portmap.Rpc.Serving;

/// <summary>
/// Who may have one connection more: no more than there are in all, of each peer, and of those that
/// are not root or the daemon's user.
/// </summary>
/// <remarks>
/// <code>
///   all:  TCP, nobody's in particular ─┤ kept from TCP ┤ kept for root and the daemon's user ┤
///                                       other users of Unix sockets up to here ┤
/// </code>
/// Over TCP the kernel is asked for the user only when it matters: when the address has as many as
/// a peer may have, or TCP its share. Used under a lock.
/// </remarks>
internal sealed class ConnectionSeats(ServerLimits limits)
{
    private readonly Dictionary<string, int> _ofPeer = [];
    private int _all;
    private int _others;
    private int _othersOverTcp;

    /// <summary>Takes a seat.</summary>
    /// <param name="peer">Who wants it.</param>
    /// <param name="isKnown">Whether its user may be asked for without a look at the
    /// kernel.</param>
    /// <param name="seat">The seat; give it back to <see cref="Leave"/>.</param>
    public Admission TryTake(Peer peer, bool isKnown, out Seat seat)
    {
        seat = default;
        if (_all >= limits.Connections)
        {
            return Admission.Full;
        }

        if (!peer.IsUnix && _othersOverTcp < limits.Connections - (2 * limits.ConnectionsKept) && HasRoom(peer.Origin))
        {
            return Take(new Seat(peer.Origin, IsOther: true, IsTcp: true), out seat);
        }

        if (!peer.IsUnix && !isKnown)
        {
            return Admission.WhoIsIt;
        }

        if (peer.IsTrusted)
        {
            string? process = peer.IsUnix ? string.Create(CultureInfo.InvariantCulture, $"pid {peer.ProcessId}") : null;
            return process is null || HasRoom(process) ? Take(new Seat(process, IsOther: false, IsTcp: false), out seat) : Admission.PeerFull;
        }

        if (_others >= limits.Connections - limits.ConnectionsKept || (!peer.IsUnix && _othersOverTcp >= limits.Connections - (2 * limits.ConnectionsKept)))
        {
            return Admission.Full;
        }

        string user = peer.UserId is { } id ? string.Create(CultureInfo.InvariantCulture, $"uid {id}") : peer.Origin;
        return HasRoom(user) ? Take(new Seat(user, IsOther: true, IsTcp: !peer.IsUnix), out seat) : Admission.PeerFull;
    }

    public void Leave(Seat seat)
    {
        _all--;
        _others -= seat.IsOther ? 1 : 0;
        _othersOverTcp -= seat is { IsOther: true, IsTcp: true } ? 1 : 0;
        if (seat.Peer is { } peer && --CollectionsMarshal.GetValueRefOrNullRef(_ofPeer, peer) == 0)
        {
            _ofPeer.Remove(peer);
        }
    }

    private bool HasRoom(string peer) => _ofPeer.GetValueOrDefault(peer) < limits.ConnectionsPerPeer;

    private Admission Take(Seat taken, out Seat seat)
    {
        seat = taken;
        _all++;
        _others += taken.IsOther ? 1 : 0;
        _othersOverTcp += taken is { IsOther: true, IsTcp: true } ? 1 : 0;
        if (taken.Peer is { } peer)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_ofPeer, peer, out _)++;
        }

        return Admission.Seated;
    }

    /// <summary>What a connection is counted as.</summary>
    /// <param name="Peer">Whose it is; null is nobody's in particular.</param>
    /// <param name="IsOther">Whether it is not root's or the daemon's user's, or not known to
    /// be.</param>
    /// <param name="IsTcp">Whether it came over TCP.</param>
    public readonly record struct Seat(string? Peer, bool IsOther, bool IsTcp);
}
