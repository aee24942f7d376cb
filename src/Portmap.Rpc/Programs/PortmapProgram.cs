using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Programs;

/// <summary>
/// The program of <c>portmap.x</c>: the registry's verbs, with its refusals whole.
/// </summary>
internal sealed class PortmapProgram(ServerContext context)
    : RpcProgram(PortmapProcedure.Program, PortmapProcedure.Version, "Portmap")
{
    /// <summary>
    /// Room for the longest entry in front of the end of a page, so that a page never outgrows the
    /// record.
    /// </summary>
    private const int PageReserve = 8_192;

    /// <summary>Room for the header of a reply and the status in front of a refusal.</summary>
    private const int RefusalReserve = 64;

    /// <summary>The least that a lease can be extended by. It changes nothing where more is
    /// left.</summary>
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(100);

    private readonly PortRegistry _registry = context.Registry;

    private int PageBytes => context.Limits.RecordBytes - PageReserve;

    public override string NameOf(uint procedure) => PortmapProcedure.NameOf(procedure);

    public override ValueTask<bool> InvokeAsync(RpcConnection connection, RpcCall request, CancellationToken cancellationToken) => request.Procedure switch
    {
        PortmapProcedure.Acquire => AcquireAsync(connection, request, PortScope.Host),
        PortmapProcedure.AcquireFleet => AcquireAsync(connection, request, PortScope.Fleet),
        PortmapProcedure.AcquireUnlessServed => AcquireAsync(connection, request, PortScope.Host, unlessServed: true),
        PortmapProcedure.AcquireAll => AcquireAllAsync(connection, request),
        PortmapProcedure.Register => RegisterAsync(connection, request),
        PortmapProcedure.BindFailed => BindFailedAsync(connection, request),
        PortmapProcedure.Release => ReleaseAsync(connection, request),
        PortmapProcedure.Extend => ExtendAsync(connection, request),
        PortmapProcedure.Lookup => ValueTask.FromResult(Lookup(request)),
        PortmapProcedure.LookupPort => ValueTask.FromResult(LookupPort(request)),
        PortmapProcedure.List => ListAsync(connection, request, cancellationToken),
        PortmapProcedure.WaitForChange => ValueTask.FromResult(WaitForChange(connection, request)),
        _ => ValueTask.FromResult(false),
    };

    private async ValueTask<bool> AcquireAsync(RpcConnection connection, RpcCall request, PortScope scope, bool unlessServed = false)
    {
        try
        {
            PortRequest wanted = PortmapXdr.ReadRequest(ref request.Arguments) with { Scope = scope, UnlessServed = unlessServed };
            connection.Peer.DemandAcquire(wanted.Owner);

            // No token: what was begun is completed, whether somebody waits for the answer or not.
            PortLease lease = await connection.Sessions.AcquireAsync(wanted).ConfigureAwait(false);
            lease.OpenGate();   // who asks over the wire is told the number now, so it is about to bind
            request.WriteInt32(PortmapProcedure.Ok);
            PortmapXdr.WriteLease(request.Results, lease, context.TimeProvider.GetUtcNow());
            if (scope == PortScope.Fleet)
            {
                request.WriteInt64(lease.FleetEpoch ?? 0);
            }
        }
        catch (PortRefusedException e) when (unlessServed && e.Refusal.Entry is not null)
        {
            request.WriteInt32(PortmapProcedure.Ok);   // that is what was asked: who serves it
            PortmapXdr.WriteEntry(request.Results, e.Refusal.Entry.Value);
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    private async ValueTask<bool> AcquireAllAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            PortRequest[] wanted = ReadRequests(request);
            bool contiguous = request.ReadBoolean();
            foreach (PortRequest one in wanted)
            {
                connection.Peer.DemandAcquire(one.Owner);
            }

            DemandRoom(wanted);
            IReadOnlyList<PortLease> leases = await connection.Sessions.AcquireAllAsync(wanted, contiguous).ConfigureAwait(false);
            request.WriteInt32(PortmapProcedure.Ok);
            request.WriteInt32(leases.Count);
            foreach (PortLease lease in leases)
            {
                lease.OpenGate();   // as for a single one
                PortmapXdr.WriteLease(request.Results, lease, context.TimeProvider.GetUtcNow());
            }
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal, isOfSeveral: true);
        }

        return true;
    }

    private static PortRequest[] ReadRequests(RpcCall request)
    {
        uint count = request.ReadUInt32();
        if (count > PortmapProcedure.MaxTogether)
        {
            throw new InvalidDataException($"{count} requests are more than {PortmapProcedure.MaxTogether}.");
        }

        PortRequest[] requests = new PortRequest[count];
        for (int i = 0; i < requests.Length; i++)
        {
            try
            {
                requests[i] = PortmapXdr.ReadRequest(ref request.Arguments);
            }
            catch (PortRefusedException e)
            {
                throw SharedAsk.Refused(e.Refusal, i, requests.Length);
            }
        }

        return requests;
    }

    // Before anything is taken: leases that cannot be told are of no use.
    private void DemandRoom(PortRequest[] requests)
    {
        int bytes = requests.Sum(static request => PortmapXdr.MeasureLease(request));
        if (bytes > PageBytes)
        {
            throw new PortRefusedException(new PortRefusal(
                PortRefusalReason.LimitReached,
                string.Create(CultureInfo.InvariantCulture, $"The leases of {requests.Length} requests may take {bytes} bytes, and an answer has room for {PageBytes} (MaxRecordBytes is {context.Limits.RecordBytes}). Ask for fewer at once, or raise that limit.")));
        }
    }

    private async ValueTask<bool> RegisterAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            PortClaimRequest claim = ReadClaim(request);
            int claimedProcessId = request.ReadInt32();
            connection.Peer.DemandChange(claim.Owner);
            PortEntry entry = await connection.Sessions.RegisterAsync(claim, claimedProcessId).ConfigureAwait(false);
            request.WriteInt32(PortmapProcedure.Ok);
            PortmapXdr.WriteEntry(request.Results, entry);
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    private async ValueTask<bool> BindFailedAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            PortClaimRequest claim = ReadClaim(request);
            int claimedProcessId = request.ReadInt32();
            SocketError error = BindErrno.Read(request.ReadInt32());
            claim = claim with { Ports = PortmapXdr.ReadAdded(ref request.Arguments) };
            await DemandHealingAsync(connection, claim, claimedProcessId).ConfigureAwait(false);
            DemandStranger(error, claim);
            PortLease lease = await connection.Sessions.ReportBindFailureAsync(claim, claimedProcessId).ConfigureAwait(false);
            request.WriteInt32(PortmapProcedure.Ok);
            PortmapXdr.WriteLease(request.Results, lease, context.TimeProvider.GetUtcNow());
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    private async ValueTask<bool> ReleaseAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            PortClaimRequest claim = ReadClaim(request);
            connection.Peer.DemandChange(claim.Owner);
            PortEntry? other = ServedByAnother(connection, claim);
            await connection.Sessions.ReleaseAsync(claim).ConfigureAwait(false);
            if (other is { } entry)
            {
                Log.ReleasedForAnother(context.Logger, connection.Peer.Name, claim.Owner, entry);
            }

            request.WriteInt32(PortmapProcedure.Ok);
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    private async ValueTask<bool> ExtendAsync(RpcConnection connection, RpcCall request)
    {
        try
        {
            ReadOnlySpan<byte> name = request.ReadOpaque(int.MaxValue);
            long epoch = request.ReadInt64();
            var protocol = (PortProtocol)request.ReadInt32();
            int claimedProcessId = request.ReadInt32();
            TimeSpan time = TimeSpan.FromMilliseconds(request.ReadUInt32());
            PortClaimRequest claim = new(OwnerText.Decode(name)) { Epoch = epoch == 0 ? null : epoch, Protocol = protocol };
            connection.Peer.DemandChange(claim.Owner);
            PortLease lease = await connection.Sessions.ExtendAsync(claim, claimedProcessId, time).ConfigureAwait(false);
            request.WriteInt32(PortmapProcedure.Ok);
            request.WriteInt64(lease.ExpiresAt.UtcTicks);
        }
        catch (PortRefusedException e)
        {
            Refuse(connection, request, e.Refusal);
        }

        return true;
    }

    /// <summary>What a release takes from a process that is not the caller's; null for what nobody
    /// serves, for what a process registered over this very connection (a child that was forked), and
    /// over TCP, where the kernel names no caller.</summary>
    private PortEntry? ServedByAnother(RpcConnection connection, in PortClaimRequest claim)
    {
        PortProtocol protocol = SingleProtocols.Of(claim.Protocol)[0];
        int caller = connection.Peer.ProcessId;
        return protocol is PortProtocol.Tcp or PortProtocol.Udp
            && _registry.TryGetEntry(claim.Owner, out PortEntry entry, protocol)
            && caller > 0 && entry.State == PortState.Bound && entry.ProcessId is { } process && process != caller
            && (claim.Epoch is null || claim.Epoch == entry.Epoch)
            && process != connection.Sessions.ProcessOf(claim.Owner, protocol)
                ? entry
                : null;
    }

    private bool Lookup(RpcCall request)
    {
        Span<char> buffer = stackalloc char[OwnerName.MaxBytes];
        bool isName = OwnerName.TryDecode(request.ReadOpaque(int.MaxValue), buffer, out ReadOnlySpan<char> owner);
        var protocol = (PortProtocol)request.ReadInt32();
        PortEntry entry = default;
        WriteFound(request, isName && protocol is PortProtocol.Tcp or PortProtocol.Udp && _registry.TryGetEntry(owner, out entry, protocol), entry);
        return true;
    }

    private bool LookupPort(RpcCall request)
    {
        int port = request.ReadInt32();
        WriteFound(request, _registry.TryGetEntry(port, out PortEntry entry, (PortProtocol)request.ReadInt32()), entry);
        return true;
    }

    private static void WriteFound(RpcCall request, bool isFound, in PortEntry entry)
    {
        request.WriteBoolean(isFound);
        if (isFound)
        {
            PortmapXdr.WriteEntry(request.Results, entry);
        }
    }

    // A listing is one snapshot, however many pages it takes; it is kept for the connection from
    // the first page to the last.
    private async ValueTask<bool> ListAsync(RpcConnection connection, RpcCall request, CancellationToken cancellationToken)
    {
        long revision = request.ReadInt64();
        uint start = request.ReadUInt32();
        ListingReader reader = connection.ListingReader;
        if (reader.Pace.Wait(context.TimeProvider) is { Ticks: > 0 } wait)
        {
            await Task.Delay(wait, context.TimeProvider, cancellationToken).ConfigureAwait(false);
        }

        PortSnapshot? listing = start == 0
            ? await context.Listings.BeginAsync(reader, cancellationToken).ConfigureAwait(false)
            : context.Listings.Find(reader);
        revision = start == 0 ? listing!.Revision : revision;
        if (listing is null || listing.Revision != revision || start > listing.Entries.Length)
        {
            Refuse(connection, request, new PortRefusal(
                PortRefusalReason.RevisionTooOld,
                string.Create(CultureInfo.InvariantCulture, $"The listing of revision {revision} is not kept any more: the daemon keeps {Listings.MaxKept} for all its readers, the newest ones, and one for each connection. List again.")));
            return true;
        }

        request.WriteInt32(PortmapProcedure.Ok);
        request.WriteInt64(revision);
        int next = WriteCounted(request.Results, listing, (int)start);
        reader.Pace.Count(next - (int)start, context.TimeProvider);
        if (next == listing.Entries.Length)
        {
            context.Listings.Drop(reader);
            next = 0;
        }

        request.WriteUInt32((uint)next);
        return true;
    }

    private int WriteCounted(XdrWriter writer, PortSnapshot listing, int start)
    {
        int countAt = writer.Count;
        int next = start;
        writer.WriteInt32(0);
        while (next < listing.Entries.Length && writer.Count - countAt < PageBytes)
        {
            PortmapXdr.WriteEntry(writer, listing.Entries[next++]);
        }

        writer.PatchUInt32(countAt, (uint)(next - start));
        return next;
    }

    private bool WaitForChange(RpcConnection connection, RpcCall request)
    {
        long after = request.ReadInt64();
        TimeSpan wait = TimeSpan.FromMilliseconds(request.ReadUInt32());
        var poll = new ChangePoll(_registry, context.TimeProvider, after, wait < context.Limits.Wait ? wait : context.Limits.Wait, PageBytes);
        if (!connection.TryDefer(request, poll))
        {
            context.LimitLog.PendingLimitReached(connection.Peer);
            Refuse(connection, request, new PortRefusal(
                PortRefusalReason.LimitReached,
                string.Create(CultureInfo.InvariantCulture, $"{context.Limits.PendingRequests} requests of this connection wait for a change already, its limit (MaxPendingRequests); wait for one of their answers, or use another connection.")));
        }

        return true;
    }

    // A report for an owner that has no lease is given one, which is to acquire. What the caller says
    // of a lease is not believed: one beside a registration shows when it is given a moment more,
    // whatever its epoch is: a report whose answer was lost names the one before.
    private async ValueTask DemandHealingAsync(RpcConnection connection, PortClaimRequest claim, int claimedProcessId)
    {
        Peer peer = connection.Peer;
        peer.DemandChange(claim.Owner);
        PortProtocol protocol = SingleProtocols.Of(claim.Protocol)[0];
        if (peer.MayAcquire || (protocol is PortProtocol.Tcp or PortProtocol.Udp && _registry.TryGetEntry(claim.Owner, out PortEntry entry, protocol) && entry.State == PortState.Reserved))
        {
            return;
        }

        try
        {
            await connection.Sessions.ExtendAsync(claim with { Port = null, Epoch = null }, claimedProcessId, s_moment).ConfigureAwait(false);
        }
        catch (PortRefusedException e) when (e.Refusal.Reason != PortRefusalReason.StoreFailed)
        {
            peer.DemandAcquire(claim.Owner);
        }
    }

    // A port is in somebody's way only when it is in use. What else there is, another port heals
    // not.
    private static void DemandStranger(SocketError error, in PortClaimRequest claim)
    {
        if (error != SocketError.AddressAlreadyInUse)
        {
            throw new PortRefusedException(PortRefusal.CreateForBind(new SocketException((int)error), claim.Owner, claim.Port ?? 0, claim.Protocol)!);
        }
    }

    private void Refuse(RpcConnection connection, RpcCall request, PortRefusal refusal, bool isOfSeveral = false)
    {
        request.Outcome = CallOutcome.Refused;
        Log.Refused(context.Logger, connection.Peer.Name, refusal);
        request.WriteInt32(PortmapProcedure.Refused);
        if (isOfSeveral)
        {
            request.WriteInt32(refusal.Request ?? -1);
        }

        PortmapXdr.WriteRefusal(request.Results, refusal, context.Limits.RecordBytes - RefusalReserve);
    }

    private static PortClaimRequest ReadClaim(RpcCall request)
    {
        ReadOnlySpan<byte> name = request.ReadOpaque(int.MaxValue);
        int port = request.ReadInt32();
        long epoch = request.ReadInt64();
        var protocol = (PortProtocol)request.ReadInt32();
        return new PortClaimRequest(OwnerText.Decode(name), port == 0 ? null : port) { Epoch = epoch == 0 ? null : epoch, Protocol = protocol };
    }
}
