using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>Who calls a program of the host's and leaves: the program is told while it
/// works.</summary>
public sealed class LeavingCallerTests : AsyncTest
{
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(1);

    private readonly TempFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly WorkingProgram _program = new();
    private readonly PortRegistry _registry = new(new PortRegistryOptions { Ports = PortBlock.Take(1).ToString() });
    private readonly PortmapServer _server;

    public LeavingCallerTests()
    {
        PortmapServerOptions options = new() { Endpoints = { "unix:" + _folder["portmap.sock"] } };
        options.Programs.Add(_program);
        _server = new PortmapServer(_registry, options, timeProvider: _clock);
    }

    public override async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Close_WhileAProgramWorks_CancelsIt()
    {
        using (Socket _ = await CallAsync())
        {
        }

        using CancellationTokenSource end = Deadline.Source();
        while (!_program.Left.IsCompleted)   // the server may not wait for it yet
        {
            end.Token.ThrowIfCancellationRequested();
            _clock.Advance(s_period);
            await Task.Yield();
        }
    }

    [Fact]
    public async Task Shutdown_OfACallerThatWaitsForItsAnswer_LeavesTheProgramToWork()
    {
        using Socket caller = await CallAsync();
        caller.Shutdown(SocketShutdown.Send);

        _clock.Advance(s_period);
        _clock.Advance(s_period);
        _program.GoOn();

        byte[] answer = new byte[1_024];
        int count = await caller.ReceiveAsync(answer).Within();
        answer[..count].Should().Equal(Wire.Record(Wire.Success(7)));
        _program.Left.IsCompleted.Should().BeFalse();
    }

    private async Task<Socket> CallAsync()
    {
        await _server.StartAsync().Within();
        Socket caller = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await caller.ConnectAsync(new UnixDomainSocketEndPoint(_folder["portmap.sock"])).Within();
        await caller.SendAsync(Wire.Call(7, WorkingProgram.Id, 1, [])).Within();
        await _program.Called.Within();
        return caller;
    }

    private sealed class WorkingProgram : IRpcProgram
    {
        public const uint Id = 0x1235;

        private readonly TaskCompletionSource _called = new(TaskCreationOptions.RunContinuationsAsynchronously), _goOn = new(TaskCreationOptions.RunContinuationsAsynchronously), _left = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public uint Number => Id;

        public uint Version => 1;

        public string Name => "Working";

        public Task Called => _called.Task;

        public Task Left => _left.Task;

        public void GoOn() => _goOn.SetResult();

        public async ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
        {
            _called.SetResult();
            try
            {
                await _goOn.Task.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                _left.SetResult();
                throw;
            }

            return true;
        }
    }
}
