using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ManagementDaemon;

/// <summary>The foreign program of the demo and the tests: an ordinary server that never heard of a
/// port map.</summary>
/// <remarks>Says <c>listening</c> once it has the port, or <c>taken</c> when somebody else has it;
/// answers every client with one line. Ends with its standard input, so it cannot outlive who
/// started it.</remarks>
internal static class StrangerCommand
{
    public const string Verb = "stranger";
    public const string Listening = "listening";
    public const string Taken = "taken";

    public static async Task<int> RunAsync(int port, CancellationToken cancellationToken)
    {
        if (port is < IPEndPoint.MinPort or > IPEndPoint.MaxPort)
        {
            await Console.Error.WriteLineAsync($"{CommandLine.Name}: {port} is not a port; give one from 0 to {IPEndPoint.MaxPort}.");
            return ExitCode.BadArguments;
        }

        try
        {
            using TcpListener listener = new(IPAddress.Any, port);
            listener.Start();
            await Console.Out.WriteLineAsync($"{Listening} {((IPEndPoint)listener.LocalEndpoint).Port}");
            _ = AnswerAsync(listener);
            await Console.In.ReadToEndAsync(cancellationToken);
            return ExitCode.Success;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            await Console.Out.WriteLineAsync($"{Taken} {port}");
            return ExitCode.Failure;
        }
    }

    private static async Task AnswerAsync(TcpListener listener)
    {
        while (true)
        {
            try
            {
                using TcpClient client = await listener.AcceptTcpClientAsync();
                await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes($"{Verb} pid {Environment.ProcessId}\n"));
            }
            catch (Exception e) when (e is SocketException or IOException && listener.Server.IsBound)
            {
                // The client left before it had its answer; the next one is served all the same.
            }
        }
    }
}
