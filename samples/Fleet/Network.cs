using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Fleet;

/// <summary>A network of the demo's own: a bridge, and for each daemon a network namespace with an
/// address on it. Nothing of the machine's is touched.</summary>
internal static class Network
{
    public const string Inside = "--inside";

    /// <summary>Where etcd listens, on the bridge.</summary>
    public const string EtcdAddress = "10.77.0.1";

    /// <summary>The bridge keeps it. A bridge without one of its own takes the lowest of its
    /// ports', another one whenever a port joins, and a daemon that knows the old one sends into
    /// the void for half a minute.</summary>
    private const string EtcdHardwareAddress = "02:50:4d:00:00:01";

    /// <summary>What the exit code says where the machine does not allow it.</summary>
    private const int NotOffered = 64;

    private const string SetUp = $"ip link set lo up && ip link add fleet0 address {EtcdHardwareAddress} type bridge && ip addr add {EtcdAddress}/24 dev fleet0 && ip link set fleet0 up";

    /// <summary>Runs the demo inside, or says why that cannot be.</summary>
    public static async Task<int> RunInsideAsync()
    {
        try
        {
            using Process rehearsal = Process.Start(new ProcessStartInfo("unshare", [.. Unshare, "sh", "-c", $"{SetUp} && command -v etcd nsenter"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            string complaint = await rehearsal.StandardError.ReadToEndAsync();
            await rehearsal.WaitForExitAsync();
            if (rehearsal.ExitCode != 0)
            {
                return await RefuseAsync(complaint.Trim());
            }
        }
        catch (Win32Exception exception)
        {
            return await RefuseAsync(exception.Message);
        }

        using Process inner = Process.Start(Self.StartUnder(["unshare", .. Unshare, "sh", "-c", $"{SetUp} && exec \"$0\" \"$@\""], Inside))!;
        await inner.WaitForExitAsync();
        return inner.ExitCode;
    }

    /// <summary>Starts this program in a namespace of its own, with an address on the
    /// bridge.</summary>
    public static async Task<Process> StartAsync(int number, params string[] arguments)
    {
        ProcessStartInfo start = Self.StartUnder(["unshare", "--net", "sh", "-c", "read go && exec \"$0\" \"$@\""], arguments);
        start.RedirectStandardOutput = true;
        Process process = Process.Start(start)!;
        string id = process.Id.ToString(CultureInfo.InvariantCulture);
        await ReadyAsync(id);
        await RunAsync("ip", "link", "add", $"h{number}", "master", "fleet0", "type", "veth", "peer", "name", "eth0", "netns", id);
        await RunAsync("ip", "link", "set", $"h{number}", "up");
        await RunAsync("nsenter", "-t", id, "-n", "sh", "-c", $"ip link set lo up && ip addr add {Address(number)}/24 dev eth0 && ip link set eth0 up");
        await process.StandardInput.WriteLineAsync("go");
        return process;
    }

    public static string Address(int number) => string.Create(CultureInfo.InvariantCulture, $"10.77.0.{10 + number}");

    private static string[] Unshare => Environment.IsPrivilegedProcess ? ["--net"] : ["--net", "--map-root-user"];

    /// <summary>Until it has left our own namespace.</summary>
    private static async Task ReadyAsync(string id)
    {
        string? ours = new FileInfo("/proc/self/ns/net").LinkTarget;
        while (new FileInfo($"/proc/{id}/ns/net").LinkTarget == ours)
        {
            await Task.Delay(5);
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments))!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new DemoFailedException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
        }
    }

    private static async Task<int> RefuseAsync(string complaint)
    {
        await Console.Error.WriteLineAsync(
            $"Fleet: not offered here, it needs etcd and network namespaces ({complaint}). Run it as root on Linux with etcd-server, util-linux and iproute2 installed.");
        return NotOffered;
    }
}
