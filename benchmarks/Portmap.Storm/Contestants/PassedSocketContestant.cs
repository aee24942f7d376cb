using System.ComponentModel;
using System.Diagnostics;
using Portmap.Storm.Workers;

namespace Portmap.Storm.Contestants;

/// <summary>A daemon that listens itself, and passes the socket to the process that it
/// starts.</summary>
/// <remarks>
/// The socket listens from the acquisition on, so the daemon knows it at once and it says little.
/// In its disfavour it is timed until the first client has its answer.
/// </remarks>
internal sealed class PassedSocketContestant(string name, Daemon daemon) : IContestant
{
    public string Name => name;

    public Task<HandOff> HandOverAsync(LineProcess worker, string owner) => throw new NotSupportedException("A socket is passed to a process at its start.");

    public async Task<(HandOff HandOff, IChild Process)> StartAsync(string owner)
    {
        long began = Stopwatch.GetTimestamp();
        PortLease lease = await daemon.Registry.AcquireAsync(new PortRequest(owner) { Guard = PortGuardMode.PassSocket });
        ProcessStartInfo start = Self.Start(PassedCommand.Verb);
        lease.PrepareStart(start);
        PassedProcess process = new(lease.Start(start));
        try
        {
            PortEntry entry = await lease.RegisterAsync(Process.GetProcessById(process.Id));
            await Client.ReachesAsync(entry.Port, process.Id);   // whether it does is asked once more, as of all
            return (new HandOff(entry.Port, Stopwatch.GetElapsedTime(began), [], null), process);
        }
        catch (Exception e) when (e is PortRefusedException or ArgumentException or Win32Exception)
        {
            lease.TryRelease(out _);
            return (new HandOff(0, Stopwatch.GetElapsedTime(began), [], e.Message), process);
        }
    }

    public void Closed(HandOff handOff)
    {
        // The process has died, and the registry has seen it or will.
    }

    public ValueTask DisposeAsync() => daemon.DisposeAsync();
}
