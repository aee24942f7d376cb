using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Portmap.Etcd.Tests.Support;

/// <summary>One etcd server of a test, on an address and ports of its own, that can be killed and
/// started again.</summary>
internal sealed class EtcdNode : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private ChildProcess? _process;
    private int _generation;

    public EtcdNode(string name, string[] more, bool isSecure)
    {
        Name = name;
        More = more;
        PortRange ports = PortBlock.Take(2);
        Address = PortBlock.TakeLoopback();
        string scheme = isSecure ? "https" : "http";
        Endpoint = string.Create(CultureInfo.InvariantCulture, $"{scheme}://{Address}:{ports.First}");
        PeerUrl = string.Create(CultureInfo.InvariantCulture, $"http://{Address}:{ports.Last}");
    }

    public string Name { get; }

    public IPAddress Address { get; }

    public string Endpoint { get; }

    public string PeerUrl { get; }

    public int ProcessId => _process!.Id;

    /// <summary>More of its arguments.</summary>
    public string[] More { get; set; }

    /// <summary>The whole cluster, NAME=URL,…</summary>
    public string Peers { get; set; } = string.Empty;

    private string DataFolder => _folder[string.Create(CultureInfo.InvariantCulture, $"data{_generation}")];

    /// <summary>Starts it, and waits until it serves; of several, start all and then wait for
    /// all.</summary>
    public async Task StartAsync()
    {
        _process = ChildProcess.Start(
            new ProcessStartInfo("etcd"),
            [
                "--name", Name, "--data-dir", DataFolder, "--listen-client-urls", Endpoint, "--advertise-client-urls", Endpoint,
                "--listen-peer-urls", PeerUrl, "--initial-advertise-peer-urls", PeerUrl, "--initial-cluster", Peers,
                "--heartbeat-interval", "100", "--election-timeout", "1000", "--logger", "zap", "--log-outputs", "stdout", .. More,
            ]);
        while (!(await _process.ReadLineAsync()).Contains("serving client traffic", StringComparison.Ordinal))
        {
            // Others of its messages.
        }
    }

    /// <summary>How many requests of a kind it was sent, by its own metrics.</summary>
    public async Task<long> CallsAsync(string method)
    {
        using HttpClient client = new();
        string metrics = await client.GetStringAsync($"{Endpoint}/metrics").Within();
        return metrics.Split('\n')
            .Where(line => line.StartsWith("grpc_server_started_total{", StringComparison.Ordinal) && line.Contains($"grpc_method=\"{method}\"", StringComparison.Ordinal))
            .Sum(line => (long)double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture));
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.ExitAsync();
        await _process.DisposeAsync();
        _process = null;
    }

    public void Send(Signal signal) => _process!.Send(signal);

    /// <summary>Takes the place of what it had: a backup, restored.</summary>
    public async Task RestoreAsync(string backup)
    {
        _generation++;
        await Etcdctl.RunAsync(
            Endpoint, "snapshot", "restore", backup, "--name", Name, "--data-dir", DataFolder, "--initial-cluster", Peers, "--initial-advertise-peer-urls", PeerUrl);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await KillAsync();
        }

        _folder.Dispose();
    }
}
