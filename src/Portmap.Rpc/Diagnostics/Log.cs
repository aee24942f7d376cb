using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;

namespace Portmap.Rpc.Diagnostics;

/// <summary>
/// Everything the wire reports. Ids and event names are API: 2001-2099 the server, 2101-2199 the
/// worker's side. Owners are printed as <see cref="Printable"/> says.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(2001, LogLevel.Information, "Listening on {Endpoint}.", EventName = "ServerListening")]
    public static partial void ServerListening(ILogger logger, PortmapEndpoint endpoint);

    [LoggerMessage(2002, LogLevel.Information, "Stopped listening; {Connections} connections were open.", EventName = "ServerStopped")]
    public static partial void ServerStopped(ILogger logger, int connections);

    [LoggerMessage(2003, LogLevel.Information, "Replaced the socket file {Path} that a daemon left behind: nobody listens on it.", EventName = "LeftoverReplaced")]
    public static partial void LeftoverReplaced(ILogger logger, string path);

    [LoggerMessage(2004, LogLevel.Warning, "Closed a new connection of {Peer}: of {Connections} (MaxConnections, or what the descriptors leave room for) none is left for it; {Kept} are kept for root and the daemon's user, and from TCP (KeptConnections). Raise MaxConnections, or close what is not used.", EventName = "ConnectionLimitReached")]
    public static partial void ConnectionLimitReached(ILogger logger, string peer, int connections, int kept);

    [LoggerMessage(2005, LogLevel.Error, "Accepting on {Endpoint} failed; trying again.", EventName = "AcceptFailed")]
    public static partial void AcceptFailed(ILogger logger, Exception exception, PortmapEndpoint endpoint);

    [LoggerMessage(2006, LogLevel.Warning, "Closed the connection of {Peer}: it sent a record longer than {MaxRecordBytes} bytes (MaxRecordBytes).", EventName = "RecordTooLong")]
    public static partial void RecordTooLong(ILogger logger, string peer, int maxRecordBytes);

    [LoggerMessage(2007, LogLevel.Warning, "Closed the connection of {Peer}: a record of {Bytes} bytes is not a call of ONC RPC.", EventName = "NotACall")]
    public static partial void NotACall(ILogger logger, string peer, int bytes);

    [LoggerMessage(2008, LogLevel.Debug, "{Peer} left in the middle of a record.", EventName = "HalfRecord")]
    public static partial void HalfRecord(ILogger logger, string peer);

    [LoggerMessage(2009, LogLevel.Debug, "{Peer} called {Program} procedure {Procedure} with arguments that make no sense: {Complaint}", EventName = "GarbageArguments")]
    public static partial void GarbageArguments(ILogger logger, string peer, string program, uint procedure, string complaint);

    [LoggerMessage(2010, LogLevel.Error, "The program {Program} failed in procedure {Procedure}; the caller is answered SYSTEM_ERR.", EventName = "ProgramFailed")]
    public static partial void ProgramFailed(ILogger logger, Exception exception, string program, uint procedure);

    [LoggerMessage(2011, LogLevel.Debug, "The connection of {Peer} ended: {Reason}", EventName = "ConnectionBroke")]
    public static partial void ConnectionBroke(ILogger logger, string peer, string reason);

    [LoggerMessage(2012, LogLevel.Error, "The connection of {Peer} ended by an error of ours.", EventName = "ConnectionFailed")]
    public static partial void ConnectionFailed(ILogger logger, Exception exception, string peer);

    [LoggerMessage(2013, LogLevel.Debug, "Refused {Peer}: {Refusal}", EventName = "Refused")]
    public static partial void Refused(ILogger logger, string peer, PortRefusal refusal);

    [LoggerMessage(2014, LogLevel.Warning, "{Endpoint} can be reached from other hosts (AllowRemote), and the wire knows no authentication.", EventName = "RemoteEndpoint")]
    public static partial void RemoteEndpoint(ILogger logger, PortmapEndpoint endpoint);

    [LoggerMessage(2015, LogLevel.Warning, "Closed a new connection of {Peer}: its user, process or address has {Connections}, the limit (MaxConnectionsPerPeer). Raise it, or close what is not used.", EventName = "PeerLimitReached")]
    public static partial void PeerLimitReached(ILogger logger, string peer, int connections);

    [LoggerMessage(2016, LogLevel.Warning, "Closed the connection of {Peer}: a record it began was not complete after {RecordTimeout} (RecordTimeout).", EventName = "RecordTimedOut")]
    public static partial void RecordTimedOut(ILogger logger, string peer, TimeSpan recordTimeout);

    [LoggerMessage(2017, LogLevel.Warning, "Closed the connection of {Peer}: it did not read its answers for {RecordTimeout} (RecordTimeout).", EventName = "AnswersNotRead")]
    public static partial void AnswersNotRead(ILogger logger, string peer, TimeSpan recordTimeout);

    [LoggerMessage(2018, LogLevel.Information, "Closed the connection of {Peer}: it said nothing for {IdleTimeout} (IdleTimeout).", EventName = "IdleTimedOut")]
    public static partial void IdleTimedOut(ILogger logger, string peer, TimeSpan idleTimeout);

    [LoggerMessage(2019, LogLevel.Warning, "Refused {Peer} another wait for a change: {PendingRequests} of its requests wait, the limit (MaxPendingRequests).", EventName = "PendingLimitReached")]
    public static partial void PendingLimitReached(ILogger logger, string peer, int pendingRequests);

    [LoggerMessage(2020, LogLevel.Information, "{Count} more lines like '{EventName}' were left out.", EventName = "LinesLeftOut")]
    public static partial void LinesLeftOut(ILogger logger, long count, string eventName);

    [LoggerMessage(2021, LogLevel.Warning, "MaxConnections is {Wanted}, and the descriptors this process may have leave room for {Connections} beside guards and host. Raise the limit (ulimit -Hn, LimitNOFILE= of systemd), or lower MaxConnections.", EventName = "ConnectionsLowered")]
    public static partial void ConnectionsLowered(ILogger logger, int wanted, int connections);

    [LoggerMessage(2022, LogLevel.Error, "Accepting on {Endpoint} pauses until there are descriptors again: {Reason}. Raise the limit (ulimit -Hn, LimitNOFILE= of systemd), or lower MaxConnections or MaxGuards.", EventName = "AcceptPaused")]
    public static partial void AcceptPaused(ILogger logger, PortmapEndpoint endpoint, string reason);

    [LoggerMessage(2023, LogLevel.Warning, "The socket file of {Endpoint} was gone and was made again; workers connect anew.", EventName = "SocketFileMadeAgain")]
    public static partial void SocketFileMadeAgain(ILogger logger, PortmapEndpoint endpoint);

    [LoggerMessage(2024, LogLevel.Error, "The socket file of {Endpoint} is gone or another's, and nobody new finds this server there: {Reason}", EventName = "SocketFileLost")]
    public static partial void SocketFileLost(ILogger logger, PortmapEndpoint endpoint, string reason);

    public static void ReleasedForAnother(ILogger logger, string peer, string owner, PortEntry entry) =>
        WriteReleasedForAnother(logger, peer, Printable.Of(owner), entry.Port, entry.Protocol, entry.ProcessId);

    [LoggerMessage(2025, LogLevel.Warning, "{Peer} released {Owner} on {Port}/{Protocol}, which process {ProcessId} served.", EventName = "ReleasedForAnother")]
    private static partial void WriteReleasedForAnother(ILogger logger, string peer, string owner, int port, PortProtocol protocol, int? processId);

    public static void SignedIn(ILogger logger, string owner, int port, PortmapEndpoint endpoint) =>
        WriteSignedIn(logger, Printable.Of(owner), port, endpoint);

    [LoggerMessage(2101, LogLevel.Information, "{Owner} listens on {Port} and is signed in at {Endpoint}.", EventName = "SignedIn")]
    private static partial void WriteSignedIn(ILogger logger, string owner, int port, PortmapEndpoint endpoint);

    public static void BindHealed(ILogger logger, string owner, int port, string reason) =>
        WriteBindHealed(logger, Printable.Of(owner), port, reason);

    [LoggerMessage(2102, LogLevel.Warning, "Port {Port} could not be bound for {Owner}: {Reason} The daemon gave another.", EventName = "BindHealed")]
    private static partial void WriteBindHealed(ILogger logger, string owner, int port, string reason);

    public static void DaemonLost(ILogger logger, PortmapEndpoint endpoint, string owner, int port) =>
        WriteDaemonLost(logger, endpoint, Printable.Of(owner), port);

    [LoggerMessage(2103, LogLevel.Warning, "The connection to {Endpoint} ended; {Owner} goes on listening on {Port} and signs in again.", EventName = "DaemonLost")]
    private static partial void WriteDaemonLost(ILogger logger, PortmapEndpoint endpoint, string owner, int port);

    public static void SignInDelayed(ILogger logger, Exception exception, string owner, TimeSpan delay) =>
        WriteSignInDelayed(logger, exception, Printable.Of(owner), delay);

    [LoggerMessage(2104, LogLevel.Debug, "Signing {Owner} in again failed; the next attempt is in {Delay}.", EventName = "SignInDelayed")]
    private static partial void WriteSignInDelayed(ILogger logger, Exception exception, string owner, TimeSpan delay);

    public static void SignInRefused(ILogger logger, string owner, PortRefusal refusal) =>
        WriteSignInRefused(logger, Printable.Of(owner), refusal);

    [LoggerMessage(2105, LogLevel.Error, "Signing {Owner} in again was refused: {Refusal}", EventName = "SignInRefused")]
    private static partial void WriteSignInRefused(ILogger logger, string owner, PortRefusal refusal);

    public static void SignOutFailed(ILogger logger, string owner, string reason) =>
        WriteSignOutFailed(logger, Printable.Of(owner), reason);

    [LoggerMessage(2106, LogLevel.Debug, "Signing {Owner} out failed: {Reason} The daemon sees the end of the connection.", EventName = "SignOutFailed")]
    private static partial void WriteSignOutFailed(ILogger logger, string owner, string reason);

    public static void Lost(ILogger logger, string owner, int port, PortRefusal reason) =>
        WriteLost(logger, Printable.Of(owner), port, reason);

    [LoggerMessage(2107, LogLevel.Error, "{Owner} on {Port} is lost: {Reason}", EventName = "Lost")]
    private static partial void WriteLost(ILogger logger, string owner, int port, PortRefusal reason);

    public static void CheckFailed(ILogger logger, string owner, string reason) =>
        WriteCheckFailed(logger, Printable.Of(owner), reason);

    [LoggerMessage(2108, LogLevel.Debug, "Asking whether {Owner} is still found failed: {Reason}", EventName = "CheckFailed")]
    private static partial void WriteCheckFailed(ILogger logger, string owner, string reason);
}
