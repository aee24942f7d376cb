using System.Globalization;
using System.Text.Json;

namespace Portmap.Etcd.Tests.Support;

/// <summary>One or three real etcd servers of a test.</summary>
internal sealed class EtcdCluster : IAsyncDisposable
{
    private EtcdCluster(EtcdNode[] nodes) => Nodes = nodes;

    public EtcdNode[] Nodes { get; }

    public EtcdNode First => Nodes[0];

    /// <summary>All of them, as the options want it.</summary>
    public string Endpoints => string.Join(',', Nodes.Select(node => node.Endpoint));

    public static EtcdCluster Prepare(int nodes = 1, string[]? more = null, bool isSecure = false)
    {
        EtcdNode[] all = [.. Enumerable.Range(0, nodes).Select(i => new EtcdNode(string.Create(CultureInfo.InvariantCulture, $"n{i}"), more ?? [], isSecure))];
        string peers = string.Join(',', all.Select(node => $"{node.Name}={node.PeerUrl}"));
        foreach (EtcdNode node in all)
        {
            node.Peers = peers;
        }

        return new EtcdCluster(all);
    }

    public static async Task<EtcdCluster> StartAsync(int nodes = 1)
    {
        EtcdCluster cluster = Prepare(nodes);
        await cluster.StartAsync();
        return cluster;
    }

    public Task StartAsync() => Task.WhenAll(Nodes.Select(node => node.StartAsync()));

    public Task<string> CtlAsync(params IEnumerable<string> arguments) => Etcdctl.RunAsync(First.Endpoint, arguments);

    /// <summary>The node that leads, as soon as one does: there may be an election at the
    /// moment.</summary>
    public async Task<EtcdNode> LeaderAsync()
    {
        using CancellationTokenSource limit = Deadline.Source();
        while (true)
        {
            foreach (EtcdNode node in Nodes)
            {
                using JsonDocument status = JsonDocument.Parse(await Etcdctl.RunAsync(node.Endpoint, "endpoint", "status", "-w", "json"));
                JsonElement found = status.RootElement[0].GetProperty("Status");
                if (found.GetProperty("leader").GetUInt64() == found.GetProperty("header").GetProperty("member_id").GetUInt64())
                {
                    return node;
                }
            }

            limit.Token.ThrowIfCancellationRequested();
        }
    }

    /// <summary>How many keys begin so.</summary>
    public async Task<int> CountAsync(string prefix)
    {
        using JsonDocument found = JsonDocument.Parse(await CtlAsync("get", prefix, "--prefix", "--keys-only", "-w", "json"));
        return found.RootElement.TryGetProperty("count", out JsonElement count) ? count.GetInt32() : 0;
    }

    /// <summary>The newest revision.</summary>
    public async Task<long> RevisionAsync()
    {
        using JsonDocument status = JsonDocument.Parse(await CtlAsync("get", "/none", "-w", "json"));
        return status.RootElement.GetProperty("header").GetProperty("revision").GetInt64();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (EtcdNode node in Nodes)
        {
            await node.DisposeAsync();
        }
    }
}
