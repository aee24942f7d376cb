using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Starts a program with the sockets that the daemon listens on for it, by systemd's
/// protocol (sd_listen_fds(3)).</summary>
/// <remarks>
/// <code>
///   posix_spawn: 3, 4, … are the sockets ──► /bin/sh: LISTEN_PID is its own id ──exec──► the program, under that id
/// </code>
/// <para>LISTEN_PID can be said only by who has the id already. A socket that was inherited by
/// .NET's own start would be so by everything that is started at the same moment: close-on-exec is
/// a mark of the descriptor, and posix_spawn alone takes it off in the child only. Opening
/// /proc/PID/fd/N anew does not work for sockets (ENXIO, <em>measured</em>).</para>
/// </remarks>
internal static class ProgramStart
{
    private const string Shell = "/bin/sh";
    private const string Script = "CDPATH= cd -- \"$1\" || exit 126; shift; LISTEN_PID=$$; export LISTEN_PID; exec \"$@\"";
    private const int WaiterStackBytes = 64 * 1024;

    public static Process Run(RegistryParts parts, ILease lease, ProcessStartInfo start)
    {
        ArgumentNullException.ThrowIfNull(start, "startInfo");
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("Sockets are passed to programs on Linux only.");
        }

        IReadOnlyList<PreparedStart> prepared = PreparedStarts.Of(start);
        if (!prepared.Any(one => ReferenceEquals(one.Lease, lease)))
        {
            throw new InvalidOperationException($"The start of '{start.FileName}' does not tell of '{lease.Owner}'; call PrepareStart for each of its leases first.");
        }

        Check(start);
        if (!lease.IsOpen)
        {
            throw new PortRefusedException(parts.Counted(Refusals.LeaseOver(lease)));
        }

        List<(string Name, Socket Socket)> sockets = [.. prepared.SelectMany(one => SocketsOf(parts, one))];
        if (sockets.Count == 0)
        {
            throw new InvalidOperationException(
                $"There is no socket to pass to '{start.FileName}': the lease of '{lease.Owner}' says {lease.Claim.Guarantee}. Acquire it with Guard = {nameof(PortGuardMode.PassSocket)} and a strategy that names the port, such as {PortRegistryOptions.AllocatorPicks}, and see that MaxGuards leaves room.");
        }

        try
        {
            int processId = Posix.Spawn(
                Shell,
                ["sh", "-c", Script, "sh", start.WorkingDirectory.Length == 0 ? "." : start.WorkingDirectory, PathOf(start.FileName), .. start.ArgumentList],
                [.. EnvironmentOf(start, sockets)],
                [.. sockets.Select(one => one.Socket.SafeHandle)]);
            var process = Process.GetProcessById(processId);   // it is there until it is waited for
            new Thread(() => Posix.WaitFor(processId), WaiterStackBytes) { IsBackground = true, Name = "Portmap child" }.UnsafeStart();
            return process;
        }
        catch (ObjectDisposedException)
        {
            throw new PortRefusedException(parts.Counted(Refusals.LeaseOver(lease)));   // and its socket is closed
        }
        catch (Win32Exception e)
        {
            throw new Win32Exception(e.NativeErrorCode, $"'{start.FileName}' was not started: {e.Message}");
        }
    }

    private static void Check(ProcessStartInfo start)
    {
        string? unfit = start.UseShellExecute ? nameof(start.UseShellExecute)
            : start.RedirectStandardInput || start.RedirectStandardOutput || start.RedirectStandardError ? "a redirected stream"
            : start.UserName.Length != 0 ? nameof(start.UserName)
            : start.Arguments.Length != 0 ? $"{nameof(start.Arguments)} (use {nameof(start.ArgumentList)})"
            : null;
        if (unfit is not null)
        {
            throw new InvalidOperationException(
                $"A program that is passed a socket cannot be started with {unfit}: it has the daemon's streams and user. Have /bin/sh redirect and exec it: FileName /bin/sh, ArgumentList -c, 'exec program 2>>log'.");
        }
    }

    private static IEnumerable<(string Name, Socket Socket)> SocketsOf(RegistryParts parts, PreparedStart prepared)
    {
        foreach (PortClaim claim in prepared.Lease.Twin is { } twin ? [prepared.Lease.Claim, twin] : (PortClaim[])[prepared.Lease.Claim])
        {
            if (parts.Guard.Passed(claim.Guarded) is { } socket)
            {
                yield return (prepared.Name ?? "unknown", socket);   // systemd's word for one without a name
            }
        }
    }

    private static IEnumerable<string> EnvironmentOf(ProcessStartInfo start, List<(string Name, Socket Socket)> sockets) =>
        start.Environment.Where(variable => variable.Value is not null && !variable.Key.StartsWith("LISTEN_", StringComparison.Ordinal)).Select(variable => $"{variable.Key}={variable.Value}")
            .Append(string.Create(CultureInfo.InvariantCulture, $"LISTEN_FDS={sockets.Count}"))
            .Append($"LISTEN_FDNAMES={string.Join(':', sockets.Select(one => one.Name))}");

    // A path is the daemon's, whatever folder the program is to work in; a bare name is looked for
    // in PATH.
    private static string PathOf(string program) => program.Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(program) : program;
}
