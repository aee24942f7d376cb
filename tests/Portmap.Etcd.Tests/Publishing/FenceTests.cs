using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Tests.Publishing;

public class FenceTests
{
    /// <summary>A batch whose answer was lost may still be on its way, by another member for
    /// instance.</summary>
    [NeedsFact("etcd")]
    public async Task Publish_BatchOfBeforeAFailure_ChangesNothingWhenItArrivesLate()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start("a", wire.Endpoint);
        using EtcdClient client = etcd.Connect();
        a.Register("b1", 20_001);
        await a.UntilSameAsync(a);
        KeyValue host = await HostAsync();
        TxnRequest late = Txn.When(Txn.IsModifiedAt(host.Key, host.ModRevision))
            .Then(Txn.Put(ByteString.CopyFromUtf8("/portmap/v1/e/a/b1"), new PublishedEntry(1, 1, 0).ToValue(), host.Lease));

        wire.Break();
        await Seen.UntilAsync(() => a.Fleet.Status.Trouble is not null);
        wire.Mend();
        a.Register("b2", 20_002);
        await a.UntilSameAsync(a);
        await UntilFencedAsync();   // what follows the map may be told before what keeps the lease
        TxnResponse outcome = await client.TxnAsync(late, CancellationToken.None).Within();

        outcome.Succeeded.Should().BeFalse("the host wrote its key again before it went on");
        a.Sees("a").Should().Equal(a.Serves());
        (await HostAsync()).Lease.Should().Be(host.Lease, "the lease was not lost");

        async Task UntilFencedAsync()
        {
            using CancellationTokenSource limit = Deadline.Source();
            using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(10));
            while ((await HostAsync()).ModRevision == host.ModRevision)
            {
                await timer.WaitForNextTickAsync(limit.Token);
            }
        }

        async Task<KeyValue> HostAsync() =>
            (await client.RangeAsync(new RangeRequest { Key = ByteString.CopyFromUtf8("/portmap/v1/h/a") }, CancellationToken.None).Within()).Kvs.Single();
    }

    /// <summary>The publisher's own batch, kept on the wire until it was given up, and all was
    /// published by another member.</summary>
    [NeedsFact("etcd", Also = ["etcdctl"])]
    public async Task Publish_OwnBatchComesLate_ChangesNothing()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Cut wire = new(etcd.Endpoints);
        await using Host a = Host.Start("a", $"{wire.Endpoint},{etcd.Endpoints}", options => options.RequestTimeout = TimeSpan.FromSeconds(2));
        await using Host looker = Host.Look(etcd.Endpoints, options => options.ReadOnly = true);
        a.Register("b1", 20_001);
        await looker.UntilSameAsync(a);

        wire.Keep();
        a.Register("late-owner", 20_002);
        await Seen.UntilAsync(() => wire.HasKept("late-owner"));
        wire.Seal();
        a.Release("late-owner");
        a.Register("b2", 20_003);   // by the other member, once the batch is given up
        await looker.UntilSameAsync(a);
        await wire.TellLateAsync();

        (await etcd.CountAsync("/portmap/v1/e/a/late-owner")).Should().Be(0, "the host wrote its key again before it went on");
        looker.Sees("a").Should().Equal(a.Serves());
    }
}
