// Memory, streams and graphs for tests that run on a device. In the emulator, which has neither streams nor graphs, memory is
// the host's and a captured call is made when it is replayed.
#pragma once
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "device.h"
#include "test.h"

#ifdef __CUDACC__
#define EXPECT_CUDA(call)                                                                                   \
    do {                                                                                                    \
        cudaError_t found_ = (call);                                                                        \
        if (found_ != cudaSuccess) report_failure(__FILE__, __LINE__, std::string(#call " gave ") + cudaGetErrorString(found_)); \
    } while (0)
#endif

class DeviceMemory {
public:
    explicit DeviceMemory(size_t bytes) : bytes_(bytes) {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaMalloc(&data_, bytes + !bytes));
#else
        data_ = std::aligned_alloc(64, (bytes / 64 + 1) * 64);
#endif
        clear();
    }
    ~DeviceMemory() {
#ifdef __CUDACC__
        cudaFree(data_);
#else
        std::free(data_);
#endif
    }
    DeviceMemory(const DeviceMemory&) = delete;

    void* data() const { return data_; }
    size_t bytes() const { return bytes_; }

    // NaN in every number format. Complete on return, for streams that do not wait for the default one; so is write.
    void clear() {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaMemset(data_, 0xff, bytes_));
        EXPECT_CUDA(cudaDeviceSynchronize());
#else
        std::memset(data_, 0xff, bytes_);
#endif
    }
    void write(const void* from) {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaMemcpy(data_, from, bytes_, cudaMemcpyHostToDevice));
        EXPECT_CUDA(cudaDeviceSynchronize());
#else
        std::memcpy(data_, from, bytes_);
#endif
    }
    // Queued, as a kernel is.
    void copy(const DeviceMemory& from, cudaStream_t stream) {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaMemcpyAsync(data_, from.data_, bytes_, cudaMemcpyDeviceToDevice, stream));
#else
        (void)stream;
        std::memcpy(data_, from.data_, bytes_);
#endif
    }
    void read(void* to) const {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaMemcpy(to, data_, bytes_, cudaMemcpyDeviceToHost));
#else
        std::memcpy(to, data_, bytes_);
#endif
    }

private:
    void* data_ = nullptr;
    size_t bytes_;
};

// A stream that does not wait for the default one.
class Stream {
public:
    Stream() {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
#endif
    }
    ~Stream() {
#ifdef __CUDACC__
        cudaStreamDestroy(stream_);
#endif
    }
    Stream(const Stream&) = delete;

    operator cudaStream_t() const { return stream_; }

    void wait() {
#ifdef __CUDACC__
        EXPECT_CUDA(cudaStreamSynchronize(stream_));
#endif
    }

    // What replays `call` as it was captured here. A call that allocates, waits or copies from the host cannot be captured.
    std::function<void()> capture(const std::function<void(cudaStream_t)>& call) {
#ifdef __CUDACC__
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t ready = nullptr;
        EXPECT_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
        call(stream_);
        EXPECT_CUDA(cudaStreamEndCapture(stream_, &graph));
        if (graph) EXPECT_CUDA(cudaGraphInstantiateWithFlags(&ready, graph, 0));
        return [this, ready] {
            if (ready) EXPECT_CUDA(cudaGraphLaunch(ready, stream_));
            wait();
        };
#else
        return [this, call] { call(stream_); };
#endif
    }

private:
    cudaStream_t stream_ = nullptr;
};
