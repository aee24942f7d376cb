using System.Diagnostics;

namespace Portmap.Etcd.Tests.Support;

/// <summary>etcd's own client: what an operator types.</summary>
internal static class Etcdctl
{
    /// <returns>What it printed.</returns>
    public static async Task<string> RunAsync(string endpoint, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new("etcdctl", ["--endpoints", endpoint, .. arguments]);
        start.Environment["ETCDCTL_API"] = "3";
        await using ChildProcess process = ChildProcess.Start(start);
        IReadOnlyList<string> lines = await process.ReadToEndAsync();
        int code = await process.ExitAsync();
        return code == 0 ? string.Join('\n', lines) : throw new InvalidOperationException($"etcdctl {string.Join(' ', arguments)}: {code}: {process.Errors}");
    }
}
