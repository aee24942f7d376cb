using System.Diagnostics;
using System.Globalization;
using ManagementDaemon.Workers;

namespace ManagementDaemon.Demo;

/// <summary>A foreign program, in a process of its own, that sits on a port.</summary>
internal static class Stranger
{
    /// <summary>Starts one and waits until it listens.</summary>
    /// <returns>Its process, or null when somebody else was faster and has the port.</returns>
    public static async Task<Process?> SitOnAsync(int port, Supervisor supervisor, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = WorkerProgram.FindSelf();
        start.ArgumentList.Add(StrangerCommand.Verb);
        start.ArgumentList.Add(port.ToString(CultureInfo.InvariantCulture));
        start.RedirectStandardInput = start.RedirectStandardOutput = true;
        Process process = supervisor.Run(start);
        string? answer = await process.StandardOutput.ReadLineAsync(cancellationToken);
        return answer is not null && answer.StartsWith(StrangerCommand.Listening, StringComparison.Ordinal) ? process : null;
    }

    /// <summary>Ends one: it goes with its standard input.</summary>
    public static Task SendAwayAsync(Process stranger, CancellationToken cancellationToken)
    {
        stranger.StandardInput.Close();
        return stranger.WaitForExitAsync(cancellationToken);
    }
}
