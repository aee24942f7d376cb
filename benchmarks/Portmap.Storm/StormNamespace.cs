using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Portmap.Storm;

/// <summary>A network namespace of the storm's own: its ports, its ephemeral range and its
/// TIME_WAIT leftovers meet nothing else on the machine.</summary>
internal static class StormNamespace
{
    public const string Inside = "--inside";

    /// <summary>The ephemeral range of the namespace, which is also the range that all contestants
    /// hand out. On real hosts the two overlap in part.</summary>
    public static PortRange Ports { get; } = new(49_152, 50_175);

    /// <summary>Runs this program once more, inside; says why, and ends cleanly, where that is not
    /// possible.</summary>
    public static async Task<int> RunInsideAsync(IReadOnlyList<string> arguments)
    {
        string setUp = string.Create(
            CultureInfo.InvariantCulture, $"ip link set lo up && echo '{Ports.First} {Ports.Last}' > /proc/sys/net/ipv4/ip_local_port_range");
        if (await ComplaintAsync(setUp) is { } complaint)
        {
            await Console.Error.WriteLineAsync(
                $"storm: not offered here, it needs a network namespace of its own ({complaint}). "
                + "Run it as root on Linux (in a container: --privileged) with unshare (util-linux) and ip (iproute2) installed.");
            return ExitCode.NotOffered;
        }

        // The standard input is the inner run's sign of life: it ends when this process does,
        // however that is.
        ProcessStartInfo start = Enter($"{setUp} && exec \"$0\" \"$@\"");
        start.RedirectStandardInput = true;
        ProcessStartInfo self = Self.Start(Inside, [.. arguments]);
        start.ArgumentList.Add(self.FileName);
        foreach (string argument in self.ArgumentList)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["DOTNET_ROOT"] = self.Environment["DOTNET_ROOT"];
        using Process inner = Process.Start(start)!;
        await inner.WaitForExitAsync();
        return inner.ExitCode;
    }

    private static async Task<string?> ComplaintAsync(string setUp)
    {
        if (!OperatingSystem.IsLinux())
        {
            return "this is not Linux";
        }

        try
        {
            ProcessStartInfo start = Enter(setUp);
            start.RedirectStandardError = true;
            using Process rehearsal = Process.Start(start)!;
            string errors = (await rehearsal.StandardError.ReadToEndAsync()).Trim();
            await rehearsal.WaitForExitAsync();
            return rehearsal.ExitCode == 0 ? null : errors.Length > 0 ? errors.ReplaceLineEndings("; ") : $"unshare ended with exit code {rehearsal.ExitCode}";
        }
        catch (Win32Exception e)
        {
            return e.Message;
        }
    }

    private static ProcessStartInfo Enter(string script)
    {
        ProcessStartInfo start = new("unshare") { ArgumentList = { "--net" } };
        if (!Environment.IsPrivilegedProcess)
        {
            start.ArgumentList.Add("--map-root-user");   // where users may make namespaces of their own
        }

        foreach (string argument in (string[])["sh", "-c", script])
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }
}
