using System.Diagnostics;
using System.Globalization;
using ManagementDaemon.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon.Demo;

/// <summary>The main job: a daemon of its own in a folder of its own, the scenes, and a verdict.
/// Any number of demos run at the same time.</summary>
internal static class DemoCommand
{
    public static async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        using Stage stage = new();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("portmap-");
        try
        {
            await RunAsync(stage, folder, cancellationToken);
            double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            stage.Verdict(good: true, string.Create(CultureInfo.InvariantCulture,
                $"in {seconds:F1} s: {Scenes.BrickCount + Scenes.SnapdCount} workers, a stranger kept out, a kill and a lost port healed, the daemon itself killed and back."));
            return ExitCode.Success;
        }
        catch (OperationCanceledException)
        {
            stage.Verdict(good: false, string.Create(CultureInfo.InvariantCulture, $"in \"{stage.Scene}\": stopped by a signal, or silent for {Stage.LongestSilence.TotalSeconds} s."));
            return ExitCode.Failure;
        }
        catch (Exception e)
        {
            // Whatever it is, the audience gets a verdict with its reason; what nobody expected is
            // worth its trace as well.
            stage.Verdict(good: false, $"in \"{stage.Scene}\": {e.Message.ReplaceLineEndings(" ")}");
            if (e is not (DemoFailedException or WorkerFailedException or PortRefusedException or IOException))
            {
                await Console.Error.WriteLineAsync(e.ToString());
            }

            return ExitCode.Failure;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task RunAsync(Stage stage, DirectoryInfo folder, CancellationToken cancellationToken)
    {
        PortmapEndpoint endpoint = PortmapEndpoint.Parse($"unix:{folder.FullName}/portmap.sock");
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stage.Silence);
        await DaemonHost.RunAsync(new DaemonSettings { Endpoints = [endpoint], Quiet = true }, (host, token) => PlayAsync(stage, folder, endpoint, host, token), limit.Token);
    }

    private static async Task PlayAsync(Stage stage, DirectoryInfo folder, PortmapEndpoint endpoint, IHost host, CancellationToken cancellationToken)
    {
        CancellationToken signal = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signal);
        Scenes scenes = ActivatorUtilities.CreateInstance<Scenes>(host.Services, stage, endpoint);
        await scenes.StartEverythingAsync(end.Token);
        await scenes.AskEverybodyAsync(end.Token);
        await scenes.KillOneAsync(end.Token);
        await scenes.StealAPortAsync(end.Token);
        await scenes.LoseAPortAsync(end.Token);
        await scenes.AskEverybodyAsync(end.Token);
        await scenes.ShutDownAsync(end.Token);
        await ActivatorUtilities.CreateInstance<DaemonCrash>(host.Services, stage, folder).PlayAsync(end.Token);
    }
}
