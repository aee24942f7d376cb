using System.Diagnostics;
using System.Globalization;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Tests.Support;

/// <summary>Claims of owners, as a host asks for them and as they stand at etcd.</summary>
internal static class Claims
{
    private static readonly TimeSpan s_more = TimeSpan.FromMilliseconds(500);

    /// <summary>Claims an owner, as often as it takes until nobody else has it.</summary>
    public static Task<FleetClaim> UntilClaimedAsync(this Host host, string owner) => host.Fleet.UntilClaimedAsync(owner);

    /// <summary>As the other.</summary>
    public static async Task<FleetClaim> UntilClaimedAsync(this PortmapFleet fleet, string owner)
    {
        using CancellationTokenSource limit = Deadline.Source();
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            try
            {
                return await fleet.Owners.ClaimAsync(owner);
            }
            catch (PortRefusedException refused) when (refused.Refusal.Reason is PortRefusalReason.Conflict or PortRefusalReason.StoreFailed)
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
        }
    }

    /// <summary>Waits until the lease of a claim is renewed, and ends later than it would have; or
    /// the claim is lost.</summary>
    public static Task UntilRenewedAsync(this FleetClaim claim)
    {
        TimeSpan left = claim.Term.Left;
        long since = Stopwatch.GetTimestamp();
        return Seen.UntilAsync(() => claim.Lost.IsCancellationRequested || claim.Term.Left + Stopwatch.GetElapsedTime(since) > left + s_more);
    }

    /// <summary>Revokes the lease of a host by hand.</summary>
    public static async Task RevokeLeaseOfAsync(this EtcdCluster etcd, string host) =>
        await etcd.CtlAsync("lease", "revoke", await etcd.LeaseOfAsync(host));

    /// <summary>The lease of a host, as etcdctl wants it.</summary>
    public static async Task<string> LeaseOfAsync(this EtcdCluster etcd, string host)
    {
        string[] fields = (await etcd.CtlAsync("get", $"/portmap/v1/h/{host}", "-w", "fields")).Split('\n');
        string lease = fields.Single(line => line.StartsWith("\"Lease\"", StringComparison.Ordinal)).Split(' ')[^1];
        return long.Parse(lease, CultureInfo.InvariantCulture).ToString("x", CultureInfo.InvariantCulture);
    }

    /// <summary>A client of its own, whose requests outlast a busy machine.</summary>
    public static EtcdClient Connect(this EtcdCluster etcd) =>
        new(new PortmapFleetOptions { Endpoints = etcd.Endpoints, RequestTimeout = Deadline.Default }, TimeProvider.System);

    /// <summary>A lease of nobody's, of ten minutes.</summary>
    public static async Task<string> GrantAsync(this EtcdCluster etcd) => (await etcd.CtlAsync("lease", "grant", "600")).Split(' ')[1];

    /// <summary>The epoch of the key that stands at etcd, or null when there is none.</summary>
    public static async Task<long?> EpochOfAsync(this EtcdCluster etcd, string owner)
    {
        using EtcdClient client = etcd.Connect();
        RangeResponse response = await client.RangeAsync(
            new RangeRequest { Key = ByteString.CopyFromUtf8($"/portmap/v1/o/{owner}") }, CancellationToken.None).Within();
        return response.Kvs is [var found] ? found.CreateRevision : null;
    }
}
