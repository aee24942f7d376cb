using Microsoft.Extensions.Logging;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Peers;

namespace Portmap.Rpc.Serving;

/// <summary>
/// The lines that a peer can cause as often as it likes: of each kind one in ten seconds, which
/// says how many were left out since the last.
/// </summary>
/// <remarks>Safe for any thread.</remarks>
internal sealed class LimitLog(ILogger logger, TimeProvider timeProvider, ServerLimits limits)
{
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Gate _connections = new(), _peers = new(), _accepting = new(), _tooLong = new(), _notACall = new(), _slow = new(), _idle = new(), _pending = new(), _notRead = new(), _paused = new(), _socketFile = new();

    public void ConnectionLimitReached(Peer peer)
    {
        if (Passes(_connections, nameof(Log.ConnectionLimitReached)))
        {
            Log.ConnectionLimitReached(logger, peer.Name, limits.Connections, limits.ConnectionsKept);
        }
    }

    public void PeerLimitReached(Peer peer)
    {
        if (Passes(_peers, nameof(Log.PeerLimitReached)))
        {
            Log.PeerLimitReached(logger, peer.Name, limits.ConnectionsPerPeer);
        }
    }

    public void AcceptFailed(Exception exception, PortmapEndpoint endpoint)
    {
        if (Passes(_accepting, nameof(Log.AcceptFailed)))
        {
            Log.AcceptFailed(logger, exception, endpoint);
        }
    }

    public void AcceptPaused(PortmapEndpoint endpoint, string reason)
    {
        if (Passes(_paused, nameof(Log.AcceptPaused)))
        {
            Log.AcceptPaused(logger, endpoint, reason);
        }
    }

    public void SocketFileLost(PortmapEndpoint endpoint, Exception reason)
    {
        if (Passes(_socketFile, nameof(Log.SocketFileLost)))
        {
            Log.SocketFileLost(logger, endpoint, reason.Message);
        }
    }

    public void RecordTooLong(Peer peer)
    {
        if (Passes(_tooLong, nameof(Log.RecordTooLong)))
        {
            Log.RecordTooLong(logger, peer.Name, limits.RecordBytes);
        }
    }

    public void NotACall(Peer peer, int bytes)
    {
        if (Passes(_notACall, nameof(Log.NotACall)))
        {
            Log.NotACall(logger, peer.Name, bytes);
        }
    }

    public void RecordTimedOut(Peer peer)
    {
        if (Passes(_slow, nameof(Log.RecordTimedOut)))
        {
            Log.RecordTimedOut(logger, peer.Name, limits.Record);
        }
    }

    public void AnswersNotRead(Peer peer)
    {
        if (Passes(_notRead, nameof(Log.AnswersNotRead)))
        {
            Log.AnswersNotRead(logger, peer.Name, limits.Record);
        }
    }

    public void IdleTimedOut(Peer peer)
    {
        if (Passes(_idle, nameof(Log.IdleTimedOut)))
        {
            Log.IdleTimedOut(logger, peer.Name, limits.Idle);
        }
    }

    public void PendingLimitReached(Peer peer)
    {
        if (Passes(_pending, nameof(Log.PendingLimitReached)))
        {
            Log.PendingLimitReached(logger, peer.Name, limits.PendingRequests);
        }
    }

    private bool Passes(Gate gate, string eventName)
    {
        lock (gate)
        {
            long now = timeProvider.GetTimestamp();
            if (gate.LastLine is { } last && timeProvider.GetElapsedTime(last, now) < Pause)
            {
                gate.LeftOut++;
                return false;
            }

            gate.LastLine = now;
            if (gate.LeftOut > 0)
            {
                Log.LinesLeftOut(logger, gate.LeftOut, eventName);
                gate.LeftOut = 0;
            }

            return true;
        }
    }

    private sealed class Gate
    {
        public long? LastLine { get; set; }

        public long LeftOut { get; set; }
    }
}
